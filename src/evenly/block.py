"""Blocks of rows, which sources yield and moments consume."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.typing import AnyArray


class WideIntegers(NamedTuple):
    """The integers of a column of float64 that float64 rounds; see `evenly.sources.exact_rows`.

    Attributes
    ----------
    words
        The integers in two's complement; any word for other values.
    dtypes
        For each row, the dtypes that hold its value exactly, as bits.
    """

    words: npt.NDArray[np.uint64]
    dtypes: npt.NDArray[np.uint8]

    def rows(self, part: slice) -> "WideIntegers":
        """Return a range of rows without copying."""
        return WideIntegers(self.words[part], self.dtypes[part])


@dataclass(slots=True, frozen=True, eq=False)
class Column:
    """The values of a column in an Arrow buffer or a strided NumPy array.

    Attributes
    ----------
    values
        1-D array of integers, booleans or floats, with any stride.
    validity
        Arrow's validity bitmap: bit i, least significant first, is 0 where row i is missing.
        None if no row is missing.
    bit_offset
        Index of the bit of ``validity`` that belongs to the first value.
    dtype
        The unit of integers that are times, such as ``"timestamp[us]"``.
    wide
        The integers that float64 values were rounded from; None if no integer was rounded.
    """

    values: AnyArray
    validity: npt.NDArray[np.uint8] | None = None
    bit_offset: int = 0
    dtype: str = ""
    wide: WideIntegers | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def itemsize(self) -> int:
        """The number of bytes of a value."""
        return self.values.itemsize

    @property
    def nbytes(self) -> int:
        """The number of bytes of all values."""
        return self.values.nbytes

    def __getitem__(self, rows: slice) -> "Column":
        """Return a range of rows without copying."""
        start, _, _ = rows.indices(len(self))
        wide = None if self.wide is None else self.wide.rows(rows)
        return Column(self.values[rows], self.validity, self.bit_offset + start, self.dtype, wide)


class ColumnViews(Sequence[Column]):
    """Columns of equal length that the core holds, without an object of Python for each.

    Parameters
    ----------
    views
        The columns.
    times
        The unit of integers that are times, by the index of their column; see `Column`.
    wide
        The integers that columns of float64 round, by the index of their column; see `Column`.
    """

    __slots__ = ("times", "views", "wide")

    def __init__(
        self,
        views: _core.Columns,
        times: dict[int, str],
        wide: dict[int, WideIntegers],
    ) -> None:
        self.views = views
        self.times = times
        self.wide = wide

    def __len__(self) -> int:
        return len(self.views)

    @overload
    def __getitem__(self, index: int) -> Column: ...

    @overload
    def __getitem__(self, index: slice) -> "list[Column]": ...

    def __getitem__(self, index: int | slice) -> "Column | list[Column]":
        """Return one column, or a range of them."""
        return list(self)[index]

    def __iter__(self) -> Iterator[Column]:
        for index, arrays in enumerate(self.views.arrays()):
            assert arrays is not None
            yield Column(*arrays, self.times.get(index, ""), self.wide.get(index))

    def rows_from(self, start: int, stop: int | None = None) -> "ColumnViews":
        """Return a range of rows without copying."""
        end = self.views.rows if stop is None else stop
        wide = {index: x.rows(slice(start, end)) for index, x in self.wide.items()}
        return ColumnViews(self.views.rows_from(start, end), self.times, wide)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The names of the dtypes; see `Block`."""
        names = self.views.dtypes()
        for index, unit in self.times.items():
            names[index] = unit
        return tuple(names)


@dataclass(slots=True, frozen=True, eq=False)
class GroupKeys:
    """The group key of each row, factorized.

    Attributes
    ----------
    codes
        Index into ``uniques`` for each row.
    uniques
        Distinct keys, normalized by `evenly.group_keys`.
    """

    codes: npt.NDArray[np.int64]
    uniques: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> "GroupKeys":
        """Return a range of rows without copying."""
        return GroupKeys(self.codes[rows], self.uniques)

    @property
    def itemsize(self) -> int:
        """The number of bytes of a code."""
        return self.codes.itemsize

    @property
    def nbytes(self) -> int:
        """The number of bytes of all codes."""
        return self.codes.nbytes


@dataclass(slots=True, frozen=True, eq=False)
class Block:
    """Rows of one or more columns, and their origin.

    Attributes
    ----------
    names
        The column names, or None.
    data
        A NumPy array or CPU tensor of any number of dimensions, or columns of equal length: a
        tuple of `Column`, or `ColumnViews`.
    feature_axis
        The axis of the array that holds the columns. All other axes are rows.
    weights
        Weight of each row, or None; the rows of an array are in C order.
    label
        Name of the data in messages: a file name, ``"batch 3"``.
    first_row
        Number of earlier rows with the same label.
    nbytes
        Bytes read for the block, out of the ``nbytes`` of its source, for progress.
    first_column
        If the block has only some consecutive columns of its source: the index of the first. None
        if it has all columns.
    keys
        The group of each row, or None. In an array of more than two dimensions, all rows with
        the same index along the first axis (except the feature axis) have the same key.
    column_numbers
        Positions of the columns in the source, if only some are read.
    verify
        Raise a `SourceError` if the data read so far differ from the file. Code that keeps
        results of the block calls it after reading and before keeping them. None if the data
        cannot change.
    """

    names: tuple[str, ...] | None
    data: Any
    feature_axis: int = -1
    weights: npt.NDArray[np.float64] | None = None
    label: str = ""
    first_row: int = 0
    nbytes: int = 0
    first_column: int | None = None
    keys: GroupKeys | None = None
    column_numbers: Sequence[int] | None = None
    verify: Callable[[], None] | None = None

    @property
    def has_columns(self) -> bool:
        """Whether the data are columns, and not an array."""
        return isinstance(self.data, tuple | ColumnViews)

    @property
    def rows(self) -> int:
        """The number of rows.

        >>> Block(None, np.zeros((2, 3, 4)), feature_axis=1).rows
        8
        """
        if isinstance(self.data, ColumnViews):
            return self.data.views.rows
        if isinstance(self.data, tuple):
            return len(self.data[0]) if self.data else 0
        shape = tuple(self.data.shape)
        if len(shape) == 1:
            return int(shape[0])
        rows = 1
        for axis, length in enumerate(shape):
            if axis != self.feature_axis % len(shape):
                rows *= int(length)
        return rows

    def skip_rows(self, rows: int) -> "Block":
        """Return the block without its first rows, as a view.

        In an array with several axes of rows, the number of rows must be a multiple of the rows
        per index of the first axis, as for blocks of a file.

        >>> Block(None, np.arange(6.0).reshape(3, 2), first_row=10).skip_rows(2).data
        array([[4., 5.]])
        """
        if not rows:
            return self
        if isinstance(self.data, ColumnViews):
            data: Any = self.data.rows_from(rows)
        elif isinstance(self.data, tuple):
            data = tuple(column[rows:] for column in self.data)
        else:
            shape = tuple(self.data.shape)
            axis = 1 if len(shape) > 1 and self.feature_axis % len(shape) == 0 else 0
            start = rows * int(shape[axis]) // self.rows
            data = self.data[(slice(None),) * axis + (slice(start, None),)]
        weights = None if self.weights is None else self.weights[rows:]
        keys = None if self.keys is None else self.keys[rows:]
        first_row = self.first_row + rows
        return replace(self, data=data, weights=weights, keys=keys, first_row=first_row)

    @property
    def features(self) -> int:
        """The number of columns; a 1-D array has one.

        >>> Block(None, np.zeros((2, 3, 4)), feature_axis=1).features
        3
        """
        if self.has_columns:
            return len(self.data)
        shape = tuple(self.data.shape)
        return 1 if len(shape) == 1 else int(shape[self.feature_axis])

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The names of the dtypes: one for an array, one per column for columns.

        >>> Block(("a",), (Column(np.zeros(2, np.int8)),)).dtypes
        ('int8',)
        """
        if isinstance(self.data, ColumnViews):
            return self.data.dtypes
        if isinstance(self.data, tuple):
            return tuple(column.dtype or dtype_name(column.values.dtype) for column in self.data)
        return (dtype_name(self.data.dtype),)


@lru_cache(maxsize=256)
def dtype_name(dtype: object) -> str:
    """Return the name of a NumPy or torch dtype, which is the same for any byte order.

    It is cached, since NumPy builds the name in 6 µs on each access: too slow for each column of
    each block.

    >>> dtype_name(np.dtype(">f4"))
    'float32'
    """
    return str(getattr(dtype, "name", str(dtype).removeprefix("torch.")))


def validity_to_mask(column: Column) -> npt.NDArray[np.bool_]:
    """Return a boolean mask of the rows that are valid."""
    if column.validity is None:
        return np.ones(len(column), np.bool_)
    start = column.bit_offset
    bits = np.unpackbits(column.validity, bitorder="little")[start : start + len(column)]
    return bits.view(np.bool_)


def mask_to_validity(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8] | None:
    """Return a validity bitmap; None if all rows are valid."""
    return None if present.all() else np.packbits(present, bitorder="little")


def missing_column(rows: int) -> Column:
    """Return a column in which every row is missing."""
    return Column(np.zeros(rows), np.zeros(-(-rows // 8), np.uint8), 0)
