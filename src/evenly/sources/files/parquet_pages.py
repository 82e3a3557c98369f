"""Check the sizes of Parquet pages before they are decompressed.

PyArrow allocates any size that a page header declares. The core reads the footer and the headers
(``cpp/base/parquet_pages.h``), which takes 1 µs for each page; those of a remote file in what
PyArrow has read of it.
"""

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING, BinaryIO

from evenly import _core
from evenly.sources.read_errors import corrupt_file_error
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.system.regular_files import RegularFile

if TYPE_CHECKING:
    import pyarrow.parquet


_TRAILER = 8
"""Bytes of the length of the footer, and ``PAR1``."""

_VALUE_BYTES = 8

Chunk = tuple[int, int, int, int]
"""A column chunk: its first byte, the byte after its last, its size when decompressed, and the
number of its values."""


class Footer:
    """The column chunks of a Parquet file.

    Parameters
    ----------
    chunks
        The chunks of the first row group, then of the second, and so on; None if the footer cannot
        be decoded.
    metadata
        The file's `pyarrow.parquet.FileMetaData`. Its `ColumnChunkMetaData` must not be used: they
        end the process if the footer is invalid.
    label
        The file's name, for messages.

    Raises
    ------
    SourceError
        If there is not one chunk for each column of each row group.
    """

    def __init__(
        self, chunks: list[Chunk] | None, metadata: "pyarrow.parquet.FileMetaData", label: str
    ) -> None:
        schema = metadata.schema
        self.paths = [schema.column(index).path for index in range(len(schema))]
        if chunks is None or len(chunks) != metadata.num_row_groups * len(self.paths):
            raise corrupt_file_error(label, "the footer")
        self.chunks = chunks
        self._leaves = _leaves(self.paths)

    def chunks_of(self, group: int, name: str) -> Iterator[tuple[str, Chunk]]:
        """Yield the path and the chunk of each leaf of a column in a row group."""
        for index in self._leaves.get(name, ()):
            yield self.paths[index], self.chunks[group * len(self.paths) + index]

    def decoded_bytes(self, name: str) -> int:
        """Return the approximate size of a column of all row groups in memory.

        Equal values may be in a dictionary, where they take fewer bytes.
        """
        return sum(
            max(uncompressed, _VALUE_BYTES * values)
            for index in self._leaves.get(name, ())
            for _, _, uncompressed, values in self.chunks[index :: len(self.paths)]
        )


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
            for name in names:
                for path, (start, stop, *_) in self.footer.chunks_of(group, name):
                    size = _core.largest_parquet_page(file.fileno(), start, stop, limit)
                    _check_page(size, path, self._label)

    @cached_property
    def footer(self) -> Footer:
        """The column chunks of the file."""
        with RegularFile(self._path) as file:
            chunks = _core.parquet_chunks(file.fileno(), os.fstat(file.fileno()).st_size)
        return Footer(chunks, self._metadata, self._label)


class CheckedFile:
    """An open remote Parquet file, whose pages are checked when PyArrow reads them.

    PyArrow reads a column chunk at once (``pre_buffer=True``), and decompresses it afterwards.

    Parameters
    ----------
    file
        The file.
    label
        Its name, for messages.

    Attributes
    ----------
    footer
        The column chunks, after `check_pages`.
    """

    footer: Footer

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self._label = label
        self._size = file.seek(0, os.SEEK_END)
        self._chunks: list[tuple[int, int, str]] = []  # sorted
        file.seek(0)

    def check_pages(self, metadata: "pyarrow.parquet.FileMetaData") -> None:
        """Read the footer, and check the pages that are read from now on.

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
        self.footer = Footer(chunks, metadata, self._label)
        ranges = (chunk[:2] for chunk in self.footer.chunks)
        self._chunks = sorted(
            (*chunk, path) for chunk, path in zip(ranges, cycle(self.footer.paths), strict=False)
        )

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


def _check_page(size: int, column: str, label: str) -> None:
    """Check the largest size of the pages of a column chunk."""
    if size < 0:
        raise corrupt_file_error(label, f"the page headers of column {column!r}")
    check_size(size, f"{label}, whose column {column!r} has a page")


def _leaves(paths: list[str]) -> dict[str, list[int]]:
    """Return the indices of the leaf columns under each name; names may contain dots."""
    indices: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        ends = (end for end in range(1, len(path) + 1) if end == len(path) or path[end] == ".")
        for end in ends:
            indices.setdefault(path[:end], []).append(index)
    return indices
