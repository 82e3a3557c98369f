"""Split a CSV file between records; a line break inside quotes does not end a record."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from evenly.sources import block_sizes


class Readable(Protocol):
    """A binary file that can be read."""

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes; fewer only at the end of the file."""


class CsvChunk(NamedTuple):
    """Complete records, and the number of the line on which the first one begins, from 1."""

    data: bytes
    line: int


def chunks(file: Readable, size: int | None = None) -> Iterator[CsvChunk]:
    r"""Yield the records of a file in chunks of about ``size`` bytes, or of the usual size.

    >>> import io
    >>> [chunk.data for chunk in chunks(io.BytesIO(b'a\n"b\nc"\nd'), size=4)]
    [b'a\n', b'"b\nc"\n', b'd']
    """
    sizes = block_sizes.current
    size = sizes.csv_chunk_bytes if size is None else size
    remainder, line = b"", 1
    while True:
        data = file.read(size)
        buffer = remainder + data
        at_end = len(data) < size
        end = len(buffer) if at_end else last_record_end(buffer)
        if not end and len(buffer) > sizes.max_csv_record_bytes:
            end = buffer.rfind(b"\n") + 1 or len(buffer)
        if end:
            yield CsvChunk(buffer[:end], line)
            line += line_breaks(buffer, end)
        remainder = buffer[end:]
        if at_end:
            return


def last_record_end(buffer: bytes) -> int:
    """Return the end of the last complete record, after a line break outside quotes.

    A quote inside a quoted field is doubled, so the number of quotes before the end of a record
    is even.
    """
    end = last_break(buffer, len(buffer))
    quotes = buffer.count(b'"', 0, end)
    while end and quotes % 2:
        earlier = last_break(buffer, buffer.rfind(b'"', 0, end))
        quotes -= buffer.count(b'"', earlier, end)
        end = earlier
    return end


def first_record_end(buffer: bytes) -> int:
    """Return the end of the first record, including its line break."""
    end = 0
    while True:
        end = _first_break(buffer, end)
        if end == len(buffer) or buffer.count(b'"', 0, end) % 2 == 0:
            return end


def line_breaks(buffer: bytes, end: int | None = None) -> int:
    """Return the number of lines that end in a buffer, or before ``end``."""
    return buffer.count(b"\n", 0, end) or buffer.count(b"\r", 0, end)


def _first_break(buffer: bytes, start: int) -> int:
    end = buffer.find(b"\n", start) + 1
    return end or buffer.find(b"\r", start) + 1 or len(buffer)


def last_break(buffer: bytes, stop: int) -> int:
    """Return the position after the last line break, which is CR if there is no LF."""
    end = buffer.rfind(b"\n", 0, max(0, stop)) + 1
    # A CR at the very end may be the first half of CR LF.
    return end or buffer.rfind(b"\r", 0, max(0, stop - 1)) + 1
