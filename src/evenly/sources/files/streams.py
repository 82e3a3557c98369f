"""Read a file sequentially, decompressed if necessary, and track the progress."""

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
"""Compressed bytes to read at a time."""
_STEP = 64 * 2**20
"""Maximum bytes of one read: Python allocates the requested size even if the file is smaller."""


class Stream:
    """A file that is read sequentially.

    Parameters
    ----------
    raw
        The file as stored.
    label
        The name of the file, for messages.
    file
        The decompressed file; by default ``raw``.
    owned
        Whether `close` also closes ``raw``.
    """

    def __init__(self, raw: BinaryIO, label: str, file: object = None, owned: bool = True) -> None:
        self._raw = raw
        self._owned = owned
        self._label = label
        self._file: Any = raw if file is None else file
        self._seen = 0
        self._head = b""

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes; fewer only at the end of the file.

        Raises
        ------
        SourceError
            If the file is compressed and ``size`` exceeds ``EVENLY_MAX_MEMBER_BYTES``.
        """
        if self._file is not self._raw:
            check_size(size, self._label)
        pieces = []
        if self._head:
            pieces.append(self._head[:size])
            self._head = self._head[size:]
            size -= len(pieces[0])
        with decode_errors(self._label):
            while size > 0 and (piece := self._file.read(min(size, _STEP))):
                pieces.append(piece)
                size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def peek(self, size: int) -> bytes:
        """Return the first bytes without consuming them."""
        self._head = self.read(size)
        return self._head

    def progress(self) -> int:
        """Return the number of bytes of the raw file read since the last call."""
        position = self._raw.tell()
        new, self._seen = max(0, position - self._seen), position
        return new

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._owned:
            self._raw.close()


def decompressed(raw: BinaryIO, head: bytes) -> Any:
    """Return a decompressed view of a file; None if it is not compressed."""
    for magic, codec in COMPRESSIONS.items():
        if head.startswith(magic):
            return _open_decompressor(raw, codec)
    return None


def _open_decompressor(raw: BinaryIO, codec: str) -> Any:
    if codec == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if codec == "bzip2":
        return bz2.BZ2File(raw)
    if codec == "xz":
        return io.BufferedReader(_XzFile(raw), _CHUNK)
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading .zst files")
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")


class _XzFile(io.RawIOBase):
    """A decompressed .xz file; `lzma.LZMAFile` does not limit the size of the dictionary."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decompressor = self._new_decompressor()

    def _new_decompressor(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=max_member_bytes())

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Decompress into a buffer; return the number of bytes, 0 at the end."""
        chunk = b""
        while True:
            if self._decompressor.eof:  # another stream may follow, after padding with zeros
                chunk = self._decompressor.unused_data
                while not chunk.strip(b"\0") and (chunk := self._raw.read(_CHUNK)):
                    pass
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return 0
                self._decompressor = self._new_decompressor()
            elif self._decompressor.needs_input and not chunk:
                chunk = self._raw.read(_CHUNK)
                if not chunk:
                    raise EOFError("it ends before the end of its compressed data")
            data = self._decompressor.decompress(chunk, len(buffer))
            chunk = b""
            if data:
                buffer[: len(data)] = data
                return len(data)
