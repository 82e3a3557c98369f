"""Split columns into ranges of rows, in each of which one dtype holds every value exactly.

A column of large integers and fractions is neither int64 nor float64. Sums are exact, so its rows
can be added range by range, each as the dtype that does not round them. CSV files are split in the
same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column, WideIntegers, mask_to_validity, validity_to_mask
from evenly.typing import AnyDtype

FLOAT, INT64, UINT64 = 1, 2, 4
"""The dtypes that hold a value exactly, or as exactly as evenly reads it, as bits."""
ANY = FLOAT | INT64 | UINT64
"""The dtypes of a missing value."""
_DTYPES = {FLOAT: np.dtype(np.float64), INT64: np.dtype(np.int64), UINT64: np.dtype(np.uint64)}


def dtypes_of(number: int | None, nearest: float) -> int:
    """Return the dtypes that hold an integer exactly; FLOAT for another number, which is None.

    Parameters
    ----------
    nearest
        The float64 nearest to the number.

    >>> dtypes_of(2**60 + 1, 2.0**60), dtypes_of(-5, -5.0), dtypes_of(None, 0.5)
    (6, 3, 1)
    """
    if number is None:
        return FLOAT
    forms = FLOAT if number == float(nearest) else 0  # NumPy's numbers would round the integer
    forms |= INT64 if -(2**63) <= number < 2**63 else 0
    forms |= UINT64 if 0 <= number < 2**64 else 0
    return forms or FLOAT


def wide_integers(
    integers: Sequence[int | None], nearest: npt.NDArray[np.float64]
) -> WideIntegers | None:
    """Return the 64-bit integers of a column that float64 rounds; None if there are none.

    Parameters
    ----------
    integers
        The integers among the values; None for other numbers.
    nearest
        The values as float64.
    """
    pairs = zip(integers, nearest.tolist(), strict=True)
    dtypes = np.array([dtypes_of(number, near) for number, near in pairs], np.uint8)
    if (dtypes & FLOAT).all():
        return None
    kept = [
        number % 2**64 if number is not None and forms & (INT64 | UINT64) else 0
        for number, forms in zip(integers, dtypes.tolist(), strict=True)
    ]
    return WideIntegers(np.array(kept, np.uint64), dtypes)


def with_missing(wide: WideIntegers | None, present: npt.NDArray[np.bool_]) -> WideIntegers | None:
    """Return the integers of all rows, given those of the rows that are present."""
    if wide is None:
        return None
    words, dtypes = np.zeros(len(present), np.uint64), np.full(len(present), ANY, np.uint8)
    words[present], dtypes[present] = wide.words, wide.dtypes
    return WideIntegers(words, dtypes)


def rounded_integers(
    wide: WideIntegers,
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[Any]]]:
    """Yield the rows whose integers float64 rounds, and these integers, by their dtype."""
    rounded = wide.dtypes & FLOAT == 0
    signed = wide.dtypes & INT64 != 0
    for dtype, chosen in ((INT64, rounded & signed), (UINT64, rounded & ~signed)):
        rows = np.flatnonzero(chosen)
        if len(rows):
            yield rows, wide.words[rows].view(_DTYPES[dtype])


def concat_columns(columns: Sequence[Column]) -> Column:
    """Return columns of one or several dtypes as one, whose integers are exact."""
    if len(columns) == 1:
        return columns[0]
    present = np.concatenate([validity_to_mask(column) for column in columns])
    validity, unit = mask_to_validity(present), columns[0].dtype
    dtypes = {column.values.dtype for column in columns}
    if len(dtypes) == 1 and all(column.wide is None for column in columns):
        return Column(np.concatenate([x.values for x in columns]), validity, 0, unit)
    values = np.concatenate([column.values.astype(np.float64) for column in columns])
    parts = [_all_dtypes(column) for column in columns]
    wide = WideIntegers(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return Column(values, validity, 0, unit, None if (wide.dtypes & FLOAT).all() else wide)


def _all_dtypes(column: Column) -> WideIntegers:
    """Return the dtypes that hold each value of a column, and the integers among the values."""
    values = column.values
    if column.wide is not None:
        return column.wide
    if values.dtype.kind == "f":
        return WideIntegers(np.zeros(len(values), np.uint64), np.full(len(values), FLOAT, np.uint8))
    words = values.astype(np.uint64)  # modulo 2**64
    negative = values < 0
    size = np.where(negative, -words, words)
    odd = size // np.maximum(size & -size, 1)  # without the zeros at the end of its bits
    dtypes = np.where(odd <= 2**53, FLOAT, 0)
    dtypes |= np.where(negative | (size < 2**63), INT64, 0) | np.where(negative, 0, UINT64)
    return WideIntegers(words, dtypes.astype(np.uint8))


def python_values(column: Column) -> list[Any]:
    """Return the values of a column, with integers that float64 rounds as integers."""
    values: list[Any] = column.values.tolist()
    if column.wide is not None:
        for rows, integers in rounded_integers(column.wide):
            for row, integer in zip(rows.tolist(), integers.tolist(), strict=True):
                values[row] = integer
    return values


def split_exact(columns: Sequence[Any]) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """Yield ranges of rows, with their first and last row, whose columns are exact.

    Parameters
    ----------
    columns
        Columns of equal length, and group keys.
    """
    wide = [i for i, x in enumerate(columns) if isinstance(x, Column) and x.wide is not None]
    if not wide:
        yield 0, len(columns[0]), tuple(columns)
        return
    ranges = {index: exact_ranges(columns[index].wide) for index in wide}
    for start, stop, dtypes in common_ranges(ranges, len(columns[0])):
        part = [column[start:stop] for column in columns]
        for index in wide:
            part[index] = _as_dtype(part[index], dtypes[index])
        yield start, stop, tuple(part)


def common_ranges(
    ranges: Mapping[int, Mapping[int, int]], rows: int
) -> Iterator[tuple[int, int, dict[int, int]]]:
    """Yield the ranges of rows in which no column changes its dtype, and the dtypes by column.

    Parameters
    ----------
    ranges
        The result of `exact_ranges` by column.
    rows
        The number of rows.
    """
    starts = sorted({0}.union(*ranges.values()))
    dtypes: dict[int, int] = {}
    for start, stop in zip(starts, [*starts[1:], rows], strict=True):
        dtypes |= {index: parts[start] for index, parts in ranges.items() if start in parts}
        yield start, stop, dtypes


def exact_ranges(wide: WideIntegers) -> dict[int, int]:
    """Return the first row of the longest ranges that one dtype holds, and that dtype."""
    ranges: dict[int, int] = {}
    start, common = 0, ANY
    for row, dtypes in enumerate(wide.dtypes.tolist()):
        if not common & dtypes:
            ranges[start] = common
            start, common = row, ANY
        common &= dtypes
    ranges[start] = common
    return ranges


def _as_dtype(column: Column, dtypes: int) -> Column:
    """Return a column of float64 as the first of some dtypes."""
    assert column.wide is not None
    dtype = _dtype_of(dtypes)
    values = column.values if dtype.kind == "f" else column.wide.words.view(dtype)
    return Column(values, column.validity, column.bit_offset, column.dtype)


def _dtype_of(dtypes: int) -> AnyDtype:
    """Return the first of some dtypes, which are given as bits."""
    return next(dtype for bit, dtype in _DTYPES.items() if dtypes & bit)
