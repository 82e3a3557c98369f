"""A CSV file's bytes, cut where records end: a line break inside quotes ends none."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

_CHUNK_BYTES = 8 * 2**20
_MAX_RECORD_BYTES = 64 * 2**20
"""A record longer than this is one whose quote was never closed."""


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int) -> bytes:
        """Return that many bytes; fewer only at the end."""


class Chunk(NamedTuple):
    """Whole records, and the line, counted from 1, on which the first one begins."""

    data: bytes
    line: int


def chunks(file: Readable, size: int = _CHUNK_BYTES) -> Iterator[Chunk]:
    r"""Yield a file's records in chunks of about ``size`` bytes.

    >>> import io
    >>> [chunk.data for chunk in chunks(io.BytesIO(b'a\n"b\nc"\nd'), size=4)]
    [b'a\n', b'"b\nc"\n', b'd']
    """
    rest, line = b"", 1
    while True:
        read = file.read(size)
        buffer = rest + read
        ended = len(read) < size
        end = len(buffer) if ended else last_record_end(buffer)
        if not end and len(buffer) > _MAX_RECORD_BYTES:
            end = buffer.rfind(b"\n") + 1 or len(buffer)
        if end:
            yield Chunk(buffer[:end], line)
            line += line_breaks(buffer, end)
        rest = buffer[end:]
        if ended:
            return


def last_record_end(buffer: bytes) -> int:
    """Return where the last whole record ends: after a line break that stands in no quotes.

    Quotes within quotes are doubled, so that the number of quotes before the end of a
    record is even.
    """
    end = _last_break(buffer, len(buffer))
    quotes = buffer.count(b'"', 0, end)
    while end and quotes % 2:
        earlier = _last_break(buffer, buffer.rfind(b'"', 0, end))
        quotes -= buffer.count(b'"', earlier, end)
        end = earlier
    return end


def first_record_end(buffer: bytes) -> int:
    """Return where the first record ends, its line break included."""
    end = 0
    while True:
        end = _first_break(buffer, end)
        if end == len(buffer) or buffer.count(b'"', 0, end) % 2 == 0:
            return end


def line_breaks(buffer: bytes, end: int | None = None) -> int:
    """Return how many lines end in a buffer, or before a place in it."""
    return buffer.count(b"\n", 0, end) or buffer.count(b"\r", 0, end)


def _first_break(buffer: bytes, start: int) -> int:
    found = buffer.find(b"\n", start) + 1
    return found or buffer.find(b"\r", start) + 1 or len(buffer)


def _last_break(buffer: bytes, stop: int) -> int:
    """Return the place after the last line break; a lone CR is one where there is no LF."""
    found = buffer.rfind(b"\n", 0, max(0, stop)) + 1
    # CR at the very end may be the first half of CR LF.
    return found or buffer.rfind(b"\r", 0, max(0, stop - 1)) + 1
