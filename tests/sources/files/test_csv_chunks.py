"""Tests of splitting CSV files between records."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from evenly.sources.files.csv_chunks import chunks, first_record_end
from small_blocks import use_block_sizes

cells = st.text(st.sampled_from('ab,"\n\r'), max_size=6)
tables = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=12)


def written(rows, end):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return file.getvalue().encode()


@given(tables, st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
def test_chunks_are_complete_records(rows, end, size):
    data = written(rows, end)
    parts = list(chunks(io.BytesIO(data), size))
    assert b"".join(part.data for part in parts) == data
    records = [
        row for part in parts for row in csv.reader(io.StringIO(part.data.decode(), newline=""))
    ]
    assert records == rows


@given(tables, st.integers(1, 40))
def test_chunk_line_numbers(rows, size):
    data = written(rows, "\n")
    before = b""
    for part in chunks(io.BytesIO(data), size):
        assert part.line == 1 + before.count(b"\n")
        before += part.data


@given(tables)
def test_first_record_end_equals_csv_reader(rows):
    data = written(rows, "\n")
    assert data[: first_record_end(data)] == written(rows[:1], "\n")


def test_unclosed_quote_limits_record_size(monkeypatch):

    use_block_sizes(monkeypatch, max_csv_record_bytes=1_000)
    parts = list(chunks(io.BytesIO(b'a,"b\n' + b"1,2\n" * 10_000), 100))
    assert max(len(part.data) for part in parts) < 2_000
