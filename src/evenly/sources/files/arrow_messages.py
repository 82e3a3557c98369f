"""Check the decompressed size of Arrow IPC buffers before they are decompressed.

A message is a FlatBuffers table (``Message.fbs`` in the Arrow format) followed by a body with
buffers. A compressed buffer begins with its decompressed size as a 64-bit integer, or -1 if it is
stored uncompressed.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from evenly.sources.read_errors import corrupt_file_error
from evenly.sources.size_limits import check_size

_DICTIONARY, _BATCH = 2, 3
_CONTINUED = 0xFFFFFFFF
_MAGIC = b"ARROW1"

ReadAt = Callable[[int, int], bytes]
"""Take a position and a size; return that many bytes."""


class Body(NamedTuple):
    """The size of a message body, and the offsets of its compressed buffers."""

    size: int
    compressed: tuple[int, ...]


class _Table:
    """A FlatBuffers table, whose fields are read by number."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - _integer("<i", data, at)

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        """Return the root table of a buffer."""
        return cls(data, _integer("<I", data, 0))

    def _position(self, field: int) -> int:
        """Return the position of a field; 0 if it is absent."""
        entry = 4 + 2 * field
        if entry + 2 > _integer("<H", self._data, self._fields):
            return 0
        offset = _integer("<H", self._data, self._fields + entry)
        return self._at + offset if offset else 0

    def integer(self, field: int, layout: str) -> int:
        """Return an integer field; 0 if it is absent."""
        position = self._position(field)
        return _integer(layout, self._data, position) if position else 0

    def table(self, field: int) -> "_Table | None":
        """Return a table field; None if it is absent."""
        position = self._position(field)
        return (
            _Table(self._data, position + _integer("<I", self._data, position))
            if position
            else None
        )

    def structs(self, field: int, layout: str) -> Iterator[tuple[int, ...]]:
        """Yield the elements of a vector of structs."""
        if position := self._position(field):
            start = position + _integer("<I", self._data, position)
            size = struct.calcsize(layout)
            stop = start + 4 + size * _integer("<I", self._data, start)
            if stop > len(self._data):
                raise ValueError("a vector extends beyond its message")
            yield from struct.iter_unpack(layout, self._data[start + 4 : stop])


def _integer(layout: str, data: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("an offset points before its message")
    return int(struct.unpack_from(layout, data, at)[0])


def parse_body(metadata: bytes, label: str) -> Body:
    """Return the description of the body in the metadata of a message.

    Raises
    ------
    SourceError
        If the metadata is not a valid message.
    """
    try:
        message = _Table.root(metadata)
        header_type, header = message.integer(1, "<B"), message.table(2)
        if header_type == _DICTIONARY and header is not None:
            header = header.table(1)
        compressed: tuple[int, ...] = ()
        if header_type not in (_DICTIONARY, _BATCH):
            header = None
        if header is not None and header.table(3) is not None:
            compressed = tuple(at for at, length in header.structs(2, "<qq") if length > 0)
        return Body(message.integer(3, "<q"), compressed)
    except (struct.error, ValueError) as error:
        raise corrupt_file_error(label, error) from None


def check_body(body: Body, read_at: ReadAt, label: str) -> None:
    """Check the total decompressed size of the buffers in a body.

    Raises
    ------
    SourceError
        If it exceeds ``EVENLY_MAX_MEMBER_BYTES``.
    """
    sizes = (struct.unpack("<q", read_at(at, 8).ljust(8, b"\0"))[0] for at in body.compressed)
    check_size(sum(max(0, size) for size in sizes), f"a record batch of {label}")


class FileCheck:
    """Check the batches of an IPC file one by one before they are read.

    Parameters
    ----------
    file
        A file opened for reading by Python or PyArrow; its position changes.
    """

    def __init__(self, file: Any, label: str) -> None:
        self._file, self._label = file, label
        file.seek(0, 2)
        end = file.tell()
        length = struct.unpack("<i", self._read_at(end - 10, 4).ljust(4, b"\0"))[0]
        try:
            footer = _Table.root(self._read_at(end - 10 - length, length))
            self._dictionaries = list(footer.structs(2, "<qi4xq"))
            self._batches = list(footer.structs(3, "<qi4xq"))
        except (struct.error, ValueError) as error:
            raise corrupt_file_error(label, error) from None

    def check_dictionaries(self) -> None:
        """Check all dictionaries, which PyArrow decompresses before the first batch."""
        for start, length, _ in self._dictionaries:
            self._check(start, length)

    def check_batch(self, number: int) -> None:
        """Check one batch."""
        start, length, _ = self._batches[number]
        self._check(start, length)

    def _check(self, start: int, length: int) -> None:
        prefix = self._read_at(start, 8).ljust(8, b"\0")
        skipped = 8 if struct.unpack("<I", prefix[:4])[0] == _CONTINUED else 4
        body = parse_body(self._read_at(start + skipped, length - skipped), self._label)
        check_body(body, lambda at, size: self._read_at(start + length + at, size), self._label)

    def _read_at(self, start: int, size: int) -> bytes:
        self._file.seek(max(0, start))
        return bytes(self._file.read(max(0, size)))


class StreamCheck:
    """Check the messages of an IPC stream as PyArrow reads them.

    PyArrow reads the size of a message, its metadata and its body with one call each.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._length = -1
        self._body = Body(0, ())

    def check_next(self, data: bytes) -> None:
        """Check the next data read from the stream."""
        if self._body.size:
            content, body, self._body = data, self._body, Body(0, ())
            check_body(body, lambda at, size: content[at : at + size], self._label)
        elif len(data) == self._length:
            self._body, self._length = parse_body(data, self._label), -1
        elif len(data) in (4, 8):
            self._length = int.from_bytes(data[-4:], "little")
