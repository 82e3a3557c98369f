"""Tests of Arrow Flight streams from a server in another process."""

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


def test_flight_stream(client):
    assert evenly.fit(client.do_get(flight.Ticket(b"all"))) == expected()


def test_flight_stream_to_reader(client):
    assert evenly.fit(client.do_get(flight.Ticket(b"all")).to_reader()) == expected()


def test_several_flight_endpoints(client):
    """A FlightInfo can have several endpoints."""
    both = evenly.fit(client.do_get(flight.Ticket(b"all")) for _ in range(2))
    assert both == expected() + expected()


def test_stream_error_while_reading(client):
    with pytest.raises(OSError, match="out of disk"):
        evenly.fit(client.do_get(flight.Ticket(b"fails")))


def test_nested_fit_in_record_batch_generator():
    """Other threads, including the generator's, run while waiting for a batch."""
    batch = pa.record_batch({"a": np.arange(3.0)})

    def batches():
        evenly.fit(batch)
        yield batch

    reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
    assert evenly.fit(reader) == evenly.fit(batch)
