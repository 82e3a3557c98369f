"""Read NPY files: local ones are memory-mapped, others are read sequentially."""

import math
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from evenly.block import Block
from evenly.errors import SourceError, UnsupportedTypeError
from evenly.sources import block_sizes
from evenly.sources.arrays import ArraySource, StructuredTable, block_of_rows
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.files.mapped_file import MappedFile
from evenly.sources.files.streams import Stream
from evenly.sources.native_arrays import check_dtype
from evenly.sources.options import ReadOptions
from evenly.sources.read_errors import corrupt_file_error, decode_errors
from evenly.sources.selection import resolve_positions
from evenly.sources.size_limits import check_size, max_member_bytes
from evenly.sources.source import SequentialSource, Source
from evenly.sources.tables import ColumnBatch, Table
from evenly.typing import AnyDtype

MAGIC = b"\x93NUMPY"


_MAX_VALUES = 2**60
"""Maximum number of values, ignoring axes of length 0; close to NumPy's limit."""

_MAX_HEADER_BYTES = 2**20
"""NumPy reads up to 4 GB into memory before it rejects a header of more than 10,000 bytes."""


class Header(NamedTuple):
    """The header of an NPY file."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: AnyDtype

    @property
    def nbytes(self) -> int:
        """The size of the data that must follow."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: Any, label: str) -> Header:
    """Read the header; the file is then positioned at the first value.

    Raises
    ------
    SourceError
        If the file is not a valid NPY file.
    UnsupportedTypeError
        If the dtype is not numeric, such as that of pickled Python objects.
    """
    with decode_errors(label):
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        header = Header(*read(file))
        _check_shape(header.shape)
    if header.dtype.hasobject:
        raise UnsupportedTypeError(
            f"An NPY file must hold numbers. Received: {label}, which holds Python objects. "
            "evenly does not unpickle data: save it with a numeric dtype."
        )
    if header.dtype.names is None:
        check_dtype(header.dtype, label)
    return header


def _check_shape(shape: tuple[int, ...]) -> None:
    """Raise ValueError for an invalid shape; NumPy checks only that lengths are integers."""
    if any(length < 0 for length in shape) or math.prod(filter(None, shape)) > _MAX_VALUES:
        raise ValueError(f"its header has the invalid shape {shape}")


def open_mapped(file: BinaryIO, options: ReadOptions, *, label: str) -> Table | Source:
    """Open a local NPY file; one with a structured dtype is a table."""
    pages = MappedFile(file, label)
    array = map_array(file, pages, label)
    if array.dtype.names is not None:
        return MappedTable(array, pages, label)
    return MappedArray(array, pages, options, label=label)


def open_stream(
    stream: Stream, options: ReadOptions, *, label: str, nbytes: int | None
) -> Table | Source:
    """Open an NPY file that is read sequentially; one with a structured dtype is a table."""
    header = read_header(_Readable(stream), label)
    if header.dtype.names is not None:
        return StreamedTable(stream, header, label)
    return StreamedArray(stream, header, options, label=label, nbytes=nbytes)


class MappedArray(ArraySource):
    """An array in a local NPY file, whose rows are read without a copy.

    Pages are released after each block, so that the memory of the process does not grow with the
    file. A block is valid only if its `verify` passes after it was read.
    """

    def __init__(
        self, array: object, pages: MappedFile, options: ReadOptions, *, label: str
    ) -> None:
        self._pages = pages
        super().__init__(array, options, label=label)

    def blocks(self) -> Generator[Block]:
        """Yield ranges of rows, as views of the mapping."""
        for block in super().blocks():
            yield replace(block, verify=self._pages.check)
            self._pages.check()
            self._pages.release()


class MappedTable(StructuredTable):
    """A structured array in a local NPY file."""

    def __init__(self, array: object, pages: MappedFile, label: str) -> None:
        super().__init__(array, label)
        self._pages = pages
        self.verify = pages.check

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield ranges of rows, as views of the mapping."""
        step = max(1, block_sizes.current.mapped_npy_bytes // self._array.itemsize)
        for start in range(0, len(self._array), step):
            yield from StructuredTable(
                self._array[start : start + step], self.label
            ).column_batches(names, keys)
            self._pages.check()
            self._pages.release()


def map_array(file: BinaryIO, pages: MappedFile, label: str) -> Any:
    """Return the array in a memory-mapped NPY file.

    Raises
    ------
    SourceError
        If the file is shorter than its header says.
    """
    with decode_errors(label):
        header = read_header(file, label)
    start, size = file.tell(), len(pages.pages)
    if size - start < header.nbytes:
        raise corrupt_file_error(
            label, f"its header declares {header.nbytes} bytes, but {size - start} follow"
        )
    flat = np.frombuffer(pages.pages, header.dtype, math.prod(header.shape), start)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


class StreamedArray(SequentialSource):
    """An array in an NPY file that is read sequentially: compressed, archived or remote.

    If its rows are not stored in order (Fortran order, or features on the first axis), it is read
    at once.
    """

    names: tuple[str, ...] | None = None

    def __init__(
        self,
        stream: Stream,
        header: Header,
        options: ReadOptions,
        *,
        label: str,
        nbytes: int | None,
    ) -> None:
        self._stream = stream
        self._label = label
        self._header = header
        shape = header.shape
        self._axis, number = resolve_feature_axis(shape, options.feature_axis, label)
        self._selected = resolve_positions(options.selection, number, label)
        self._options = options
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(shape) // number if number else 0
        self.nbytes = nbytes
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield ranges of rows, as they are read."""
        with decode_errors(self._label):
            yield from self._blocks()

    def _blocks(self) -> Generator[Block]:
        shape = self._header.shape
        if (self._header.fortran and len(shape) > 1) or self._axis == 0:
            array = read_array(self._stream, self._header, self._label)
            yield from ArraySource(array, self._options, label=self._label).blocks()
            return
        row = 0
        for rows in _read_ranges(self._stream, self._header, self._label):
            read = self._stream.progress()
            block = block_of_rows(rows, self._axis, self._selected, self._label, row, read)
            yield block
            row += block.rows


class StreamedTable(StructuredTable):
    """A structured array in an NPY file that is read sequentially."""

    def __init__(self, stream: Stream, header: Header, label: str) -> None:
        super().__init__(np.empty(0, header.dtype), label)
        self._stream, self._header = stream, header
        self.rows, self.nbytes = math.prod(header.shape), header.nbytes

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield ranges of rows, as they are read."""
        dimensions = len(self._header.shape)
        if not dimensions or (self._header.fortran and dimensions > 1):
            ranges = iter([read_array(self._stream, self._header, self.label)])
        else:
            ranges = _read_ranges(self._stream, self._header, self.label)
        for rows in ranges:
            yield from StructuredTable(rows, self.label).column_batches(names, keys)


def _read_ranges(stream: Stream, header: Header, label: str) -> Iterator[Any]:
    """Yield ranges of the first axis, a few megabytes each."""
    shape = header.shape
    width = header.dtype.itemsize * math.prod(shape[1:])
    step = max(1, min(block_sizes.current.npy_bytes, max_member_bytes()) // max(1, width))
    for start in range(0, shape[0], step):
        rows = min(step, shape[0] - start)
        yield read_array(stream, header._replace(shape=(rows, *shape[1:])), label)


def read_array(stream: Stream, header: Header, label: str) -> Any:
    """Read an array with the shape of the header from a stream.

    Raises
    ------
    SourceError
        If the file is truncated, or the array exceeds ``EVENLY_MAX_MEMBER_BYTES``.
    """
    check_size(header.nbytes, label)
    data = stream.read(header.nbytes)
    if len(data) < header.nbytes:
        raise SourceError(
            f"A file must be complete. Received: {label}, which ends {header.nbytes - len(data)} "
            "bytes too early. It is truncated; get it again."
        )
    order = "F" if header.fortran else "C"
    return np.frombuffer(data, header.dtype).reshape(header.shape, order=order)  # type: ignore[call-overload]


class _Readable:
    """A file object for NumPy that reads a `Stream`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER_BYTES:
            raise ValueError(f"its header has {size} bytes")
        return self._stream.read(size)
