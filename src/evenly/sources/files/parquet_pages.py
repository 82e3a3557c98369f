"""Check the sizes of Parquet pages before they are decompressed.

PyArrow allocates any size that a page header declares. The core reads the footer and the headers
(``cpp/base/parquet_pages.h``), which takes 1 µs for each page; those of a remote file in what
PyArrow has read of it.
"""

import os
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from evenly import _core
from evenly.sources.read_errors import corrupt_file_error
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.system.regular_files import RegularFile

if TYPE_CHECKING:
    import pyarrow.parquet


_TRAILER = 8
"""Bytes of the length of the footer, and ``PAR1``."""


class PageCheck:
    """Check the pages of the columns of a local Parquet file.

    Parameters
    ----------
    path
        Path of the file.
    metadata
        The file's `pyarrow.parquet.FileMetaData`.
    label
        The file's name, for messages.
    """

    def __init__(self, path: str, metadata: "pyarrow.parquet.FileMetaData", label: str) -> None:
        self._path = path
        self._metadata = metadata
        self._label = label
        self._leaves: dict[str, list[int]] | None = None
        self._chunks: list[tuple[int, int]] = []

    def check(self, group: int, names: Iterable[str]) -> None:
        """Check the sizes of the pages that hold some columns of a row group.

        Raises
        ------
        TooLargeError
            If a page is larger than ``EVENLY_MAX_MEMBER_BYTES``.
        SourceError
            If the footer or the page headers cannot be decoded.
        """
        limit = max_member_bytes()
        with RegularFile(self._path) as file:
            leaves = self._leaves or self._read_footer(file)
            width = len(self._metadata.schema)
            for index in (index for name in names for index in leaves.get(name, ())):
                column = self._metadata.schema.column(index).path
                start, stop = self._chunks[group * width + index]
                size = _core.largest_parquet_page(file.fileno(), start, stop, limit)
                _check_page(size, column, self._label)

    def _read_footer(self, file: RegularFile) -> dict[str, list[int]]:
        """Read the ranges of the column chunks, and return the leaf columns by name."""
        chunks = _core.parquet_chunks(file.fileno(), os.fstat(file.fileno()).st_size)
        self._chunks = _check_footer(chunks, self._metadata, self._label)
        self._leaves = _leaves(self._metadata.schema)
        return self._leaves


class CheckedFile:
    """An open remote Parquet file, whose pages are checked when PyArrow reads them.

    PyArrow reads a column chunk at once (``pre_buffer=True``), and decompresses it afterwards.

    Parameters
    ----------
    file
        The file.
    label
        Its name, for messages.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self._label = label
        self._size = file.seek(0, os.SEEK_END)
        self._chunks: list[tuple[int, int, str]] = []  # sorted
        file.seek(0)

    def check_pages(self, metadata: "pyarrow.parquet.FileMetaData") -> None:
        """Check the pages that are read from now on.

        Parameters
        ----------
        metadata
            The file's `pyarrow.parquet.FileMetaData`.

        Raises
        ------
        SourceError
            If the footer cannot be decoded.
        """
        trailer = self._read_at(max(0, self._size - _TRAILER), _TRAILER)
        nbytes = min(self._size, int.from_bytes(trailer[:4], "little") + _TRAILER)
        footer = self._read_at(self._size - nbytes, nbytes)
        chunks = _core.parquet_chunks_in(footer, self._size - nbytes, self._size)
        chunks = _check_footer(chunks, metadata, self._label)
        width = len(metadata.schema)
        names = (metadata.schema.column(index % width).path for index in range(len(chunks)))
        self._chunks = sorted((*chunk, name) for chunk, name in zip(chunks, names, strict=True))

    def read(self, size: int = -1) -> bytes:
        """Read from the current position, and check the pages of the column chunks.

        Raises
        ------
        TooLargeError, SourceError
            As `PageCheck.check`.
        """
        start = self._file.tell()
        data = bytes(self._file.read(size))
        if self._chunks:
            self._check(start, data)
        return data

    def _check(self, start: int, data: bytes) -> None:
        stop = start + len(data)
        first = bisect_left(self._chunks, (stop,))
        chunks = [chunk for chunk in self._chunks[:first] if chunk[1] > start]
        if stop == self._size:  # the footer, and what comes before it
            chunks = [chunk for chunk in chunks if chunk[0] >= start]
        if not chunks:
            return
        begin, end = min(start, chunks[0][0]), max(stop, *(chunk[1] for chunk in chunks))
        if (begin, end) != (start, stop):  # a reader that does not read column chunks at once
            data, start = self._read_at(begin, end - begin), begin
            self._file.seek(stop)
        limit = max_member_bytes()
        for first_byte, last_byte, column in chunks:
            size = _core.largest_parquet_page_in(data, start, first_byte, last_byte, limit)
            _check_page(size, column, self._label)

    def _read_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return True."""
        return True

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_footer(
    chunks: list[tuple[int, int]] | None, metadata: "pyarrow.parquet.FileMetaData", label: str
) -> list[tuple[int, int]]:
    """Check that there is a range for each column chunk of all row groups."""
    if chunks is None or len(chunks) != metadata.num_row_groups * len(metadata.schema):
        raise corrupt_file_error(label, "the footer")
    return chunks


def _check_page(size: int, column: str, label: str) -> None:
    """Check the largest size of the pages of a column chunk."""
    if size < 0:
        raise corrupt_file_error(label, f"the page headers of column {column!r}")
    check_size(size, f"{label}, whose column {column!r} has a page")


def _leaves(schema: "pyarrow.parquet.ParquetSchema") -> dict[str, list[int]]:
    """Return the indices of the leaf columns under each name; names may contain dots."""
    indices: dict[str, list[int]] = {}
    for index in range(len(schema)):
        path = schema.column(index).path
        ends = (end for end in range(1, len(path) + 1) if end == len(path) or path[end] == ".")
        for end in ends:
            indices.setdefault(path[:end], []).append(index)
    return indices
