"""Bytes of a file, decompressed if need be, with how far it has been read."""

import bz2
import gzip
import lzma
from typing import Any, BinaryIO

from evenly import extras
from evenly.sources.reading import reading

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class Stream:
    """A file that is read from its beginning to its end.

    Parameters
    ----------
    raw
        The file as it lies on the disk.
    file
        The same, decompressed; by default as it is.
    place
        Its name, for messages.
    """

    def __init__(self, raw: BinaryIO, place: str, file: Any = None, owned: bool = True) -> None:
        self._raw = raw
        self._owned = owned
        self._place = place
        self._file: Any = raw if file is None else file
        self._seen = 0
        self._head = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes; fewer only at the end."""
        parts = []
        if self._head:
            parts.append(self._head[:size])
            self._head = self._head[size:]
            size -= len(parts[0])
        with reading(self._place):
            while size > 0 and (part := self._file.read(size)):
                parts.append(part)
                size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def peek(self, size: int) -> bytes:
        """Return the first bytes, before anything has been read."""
        self._head = self.read(size)
        return self._head

    def progress(self) -> int:
        """Return how many bytes of the raw file were read since the last call."""
        position = self._raw.tell()
        new, self._seen = max(0, position - self._seen), position
        return new

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._owned:
            self._raw.close()


def decompressed(raw: BinaryIO, head: bytes) -> Any:
    """Return the decompressed file; None when it is not compressed."""
    for magic, kind in COMPRESSIONS.items():
        if head.startswith(magic):
            return _decompressor(raw, kind)
    return None


def _decompressor(raw: BinaryIO, kind: str) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return lzma.LZMAFile(raw)
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading .zst files")
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")
