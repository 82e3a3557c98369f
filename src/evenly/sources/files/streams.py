"""Bytes of a file, decompressed if need be, with how far it has been read."""

import bz2
import gzip
import io
import lzma
from typing import Any, BinaryIO

from evenly import extras
from evenly.sources.read_errors import decode_errors
from evenly.sources.size_limits import check_size, max_member_bytes

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


_CHUNK = 2**16
"""Compressed bytes that are read at a time."""
_STEP = 64 * 2**20
"""Bytes of a single read: Python makes room for all that is asked for, whatever the file has."""


class Stream:
    """A file that is read from its beginning to its end.

    Parameters
    ----------
    raw
        The file as it lies on the disk.
    file
        The same, decompressed; by default as it is.
    label
        Its name, for messages.
    """

    def __init__(self, raw: BinaryIO, label: str, file: Any = None, owned: bool = True) -> None:
        self._raw = raw
        self._owned = owned
        self._label = label
        self._file: Any = raw if file is None else file
        self._seen = 0
        self._head = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes; fewer only at the end.

        Raises
        ------
        SourceError
            When more is to be unpacked in one piece than the bound allows.
        """
        if self._file is not self._raw:
            check_size(size, self._label)
        parts = []
        if self._head:
            parts.append(self._head[:size])
            self._head = self._head[size:]
            size -= len(parts[0])
        with decode_errors(self._label):
            while size > 0 and (part := self._file.read(min(size, _STEP))):
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
        return io.BufferedReader(_Xz(raw), _CHUNK)
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading .zst files")
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")


class _Xz(io.RawIOBase):
    """A decompressed .xz file. `lzma.LZMAFile` has no limit for the size of the dictionary."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decompressor = self._next_stream()

    def _next_stream(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=max_member_bytes())

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack into a buffer; return how many bytes, 0 at the end."""
        rest = b""
        while True:
            if self._decompressor.eof:  # streams may follow each other, with zeros between them
                rest = self._decompressor.unused_data
                while not rest.strip(b"\0") and (rest := self._raw.read(_CHUNK)):
                    pass
                rest = rest.lstrip(b"\0")
                if not rest:
                    return 0
                self._decompressor = self._next_stream()
            elif self._decompressor.needs_input and not rest:
                rest = self._raw.read(_CHUNK)
                if not rest:
                    raise EOFError("it ends before the end of its compressed data")
            data = self._decompressor.decompress(rest, len(buffer))
            rest = b""
            if data:
                buffer[: len(data)] = data
                return len(data)
