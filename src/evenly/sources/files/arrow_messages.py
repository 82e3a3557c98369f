"""How large the buffers of an Arrow message become when they are unpacked: read before they are.

A message is a FlatBuffers table (``Message.fbs`` of the Arrow format), and a body with buffers. A
compressed buffer begins with its size when unpacked, as an integer of 64 bits; -1 stands before
one that is not compressed.
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
"""From a place and a number to that many bytes."""


class Body(NamedTuple):
    """The body of a message: its size, and where its compressed buffers begin."""

    size: int
    compressed: tuple[int, ...]


class _Table:
    """A table of FlatBuffers: the fields by their numbers."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - _integer("<i", data, at)

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        """Return the outermost table."""
        return cls(data, _integer("<I", data, 0))

    def _position(self, field: int) -> int:
        """Return where a field is; 0 when it is left out."""
        entry = 4 + 2 * field
        if entry + 2 > _integer("<H", self._data, self._fields):
            return 0
        offset = _integer("<H", self._data, self._fields + entry)
        return self._at + offset if offset else 0

    def number(self, field: int, kind: str) -> int:
        """Return an integer; 0 when it is left out."""
        position = self._position(field)
        return _integer(kind, self._data, position) if position else 0

    def table(self, field: int) -> "_Table | None":
        """Return a table."""
        position = self._position(field)
        return (
            _Table(self._data, position + _integer("<I", self._data, position))
            if position
            else None
        )

    def structs(self, field: int, kind: str) -> Iterator[tuple[int, ...]]:
        """Yield the elements of a vector of structs."""
        if position := self._position(field):
            start = position + _integer("<I", self._data, position)
            size = struct.calcsize(kind)
            stop = start + 4 + size * _integer("<I", self._data, start)
            if stop > len(self._data):
                raise ValueError("a vector ends after its message")
            yield from struct.iter_unpack(kind, self._data[start + 4 : stop])


def _integer(kind: str, data: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("an offset leads before its message")
    return int(struct.unpack_from(kind, data, at)[0])


def body_of(metadata: bytes, label: str) -> Body:
    """Return what a message says of its body.

    Raises
    ------
    SourceError
        When it is not a message.
    """
    try:
        message = _Table.root(metadata)
        kind, header = message.number(1, "<B"), message.table(2)
        if kind == _DICTIONARY and header is not None:
            header = header.table(1)
        compressed: tuple[int, ...] = ()
        if kind in (_DICTIONARY, _BATCH) and header is not None and header.table(3) is not None:
            compressed = tuple(at for at, length in header.structs(2, "<qq") if length > 0)
        return Body(message.number(3, "<q"), compressed)
    except (struct.error, ValueError) as error:
        raise corrupt_file_error(label, error) from None


def check_body(body: Body, read_at: ReadAt, label: str) -> None:
    """Check the unpacked size of a body's buffers together against the bound.

    Raises
    ------
    SourceError
        When it is larger.
    """
    sizes = (struct.unpack("<q", read_at(at, 8).ljust(8, b"\0"))[0] for at in body.compressed)
    check_size(sum(max(0, size) for size in sizes), f"a record batch of {label}")


class FileCheck:
    """The batches of an IPC file, checked one by one before they are read.

    Parameters
    ----------
    file
        Open for reading, by Python or PyArrow; its position changes.
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
        """Check all dictionaries: PyArrow unpacks them before the first batch."""
        for start, length, _ in self._dictionaries:
            self._check(start, length)

    def check_batch(self, number: int) -> None:
        """Check one batch."""
        start, length, _ = self._batches[number]
        self._check(start, length)

    def _check(self, start: int, length: int) -> None:
        prefix = self._read_at(start, 8).ljust(8, b"\0")
        skipped = 8 if struct.unpack("<I", prefix[:4])[0] == _CONTINUED else 4
        body = body_of(self._read_at(start + skipped, length - skipped), self._label)
        check_body(body, lambda at, size: self._read_at(start + length + at, size), self._label)

    def _read_at(self, start: int, size: int) -> bytes:
        self._file.seek(max(0, start))
        return bytes(self._file.read(max(0, size)))


class StreamCheck:
    """The messages of an IPC stream, checked as PyArrow reads them.

    PyArrow asks for the size of a message, for the message, and for its body, each at once.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._length = -1
        self._body = Body(0, ())

    def see(self, data: bytes) -> None:
        """Check what has been read next."""
        if self._body.size:
            content, body, self._body = data, self._body, Body(0, ())
            check_body(body, lambda at, size: content[at : at + size], self._label)
        elif len(data) == self._length:
            self._body, self._length = body_of(data, self._label), -1
        elif len(data) in (4, 8):
            self._length = int.from_bytes(data[-4:], "little")
