"""Batches that come over a network: Arrow Flight, from a server of another process."""

import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import evenly

SERVER = """
import pyarrow as pa, pyarrow.flight as flight

TABLE = pa.table({"a": [1.0, None, 3.0], "b": [1, 2, 3], "t": ["x", "y", "z"]})

class Server(flight.FlightServerBase):
    def do_get(self, context, ticket):
        batches = TABLE.to_batches(max_chunksize=2)
        def stream():
            yield batches[0]
            if ticket.ticket == b"fails":
                raise flight.FlightServerError("out of disk")
            yield batches[1]
        return flight.GeneratorStream(TABLE.schema, stream())

server = Server("grpc://127.0.0.1:0")
print(server.port, flush=True)
server.serve()
"""


@pytest.fixture(scope="module")
def client():
    code = [sys.executable, "-c", textwrap.dedent(SERVER)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        with flight.connect(f"grpc://127.0.0.1:{port}") as connected:
            yield connected
        server.kill()


def expected():
    return evenly.fit(pa.table({"a": [1.0, None, 3.0], "b": [1, 2, 3]}))


def test_a_flight_stream_is_read(client):
    assert evenly.fit(client.do_get(flight.Ticket(b"all"))) == expected()


def test_the_reader_of_a_flight_stream_is_read(client):
    assert evenly.fit(client.do_get(flight.Ticket(b"all")).to_reader()) == expected()


def test_several_flights_are_one_fit(client):
    """As a FlightInfo has several endpoints."""
    both = evenly.fit(client.do_get(flight.Ticket(b"all")) for _ in range(2))
    assert both == expected() + expected()


def test_a_stream_that_fails_half_way_says_why(client):
    with pytest.raises(OSError, match="out of disk"):
        evenly.fit(client.do_get(flight.Ticket(b"fails")))


def test_a_generator_behind_a_reader_may_fit_itself():
    """Other threads, and so the generator's, run while a batch is waited for."""
    batch = pa.record_batch({"a": np.arange(3.0)})

    def batches():
        evenly.fit(batch)
        yield batch

    reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
    assert evenly.fit(reader) == evenly.fit(batch)
