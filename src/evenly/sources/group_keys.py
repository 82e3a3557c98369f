"""Factorize columns and arrays of group keys.

Keys are converted to 64-bit words, or are strings in buffers, which the core factorizes; only
the unique ones become Python values.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Block, Column, GroupKeys, validity_to_mask
from evenly.errors import DataError, EvenlyError, UnsupportedTypeError
from evenly.group_keys import normalize_keys, sub_microsecond_error, year_out_of_range_error
from evenly.sources.exact_rows import python_values
from evenly.sources.source import Source
from evenly.sources.wrapped import AlignedSource
from evenly.typing import AnyArray

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_STEPS = {"s": "s", "ms": "ms", "us": "us", "ns": "ns", "day": "D"}


def from_codes(codes: Codes, values: Sequence[Any], present: Mask | None = None) -> GroupKeys:
    """Return keys from codes and the values that they index, which may have duplicates."""
    keys = list(zip(normalize_keys(values), strict=True))
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    distinct = len(numbers) == len(keys)
    found = codes if distinct else np.array([numbers[key] for key in keys], np.int64)[codes]
    if present is None or present.all():
        return GroupKeys(found, tuple(numbers))
    missing = numbers.setdefault((None,), len(numbers))
    full = np.full(len(present), missing, np.int64)
    full[present] = found
    return GroupKeys(full, tuple(numbers))


def factorize_words(
    words: AnyArray, present: Mask | None, values_of: Callable[[Codes], Sequence[Any]]
) -> GroupKeys:
    """Factorize 64-bit words; ``values_of`` returns the Python values of some rows."""
    if present is not None:
        kept = np.flatnonzero(present)
        codes, first = _core.number_words(np.ascontiguousarray(words[kept]).view(np.uint64))
        return from_codes(codes, values_of(kept[first]), present)
    codes, first = _core.number_words(np.ascontiguousarray(words).view(np.uint64))
    return from_codes(codes, values_of(first))


def factorize_column(column: Column, zone: str = "") -> GroupKeys:
    """Factorize a column of numbers, booleans or times."""
    values = column.values
    present = None if column.validity is None else validity_to_mask(column)
    if column.wide is not None:
        keys = python_values(column)
        kept = keys if present is None else [keys[row] for row in np.flatnonzero(present)]
        return from_codes(np.arange(len(kept)), kept, present)
    if column.dtype:
        return _factorize_times(values, present, column.dtype, zone)
    if values.dtype.kind == "f":
        wide = values.astype(np.float64) + 0.0  # -0.0 is 0.0
        there = ~np.isnan(wide) if present is None else present & ~np.isnan(wide)
        return factorize_words(wide, there, lambda rows: wide[rows].tolist())
    words = values.astype(np.uint64 if values.dtype == np.uint64 else np.int64)
    return factorize_words(words, present, lambda rows: values[rows].tolist())


def _factorize_times(values: AnyArray, present: Mask | None, dtype: str, zone: str) -> GroupKeys:
    kind, _, unit = dtype.rstrip("]").partition("[")
    if kind not in ("date", "timestamp"):
        raise UnsupportedTypeError(
            "A group's key must be text, a number, a boolean, a date or a timestamp. "
            f"Received: a column of {dtype}. Convert the column of by= first."
        )
    words = values.astype(np.int64)

    def parts(rows: Codes) -> list[Any]:
        times = words[rows].view(f"M8[{_STEPS[unit]}]")
        if kind == "date":
            return [_date(time) for time in times.astype("M8[D]")]
        micro = times.astype("M8[us]")
        if (micro.astype(times.dtype) != times).any():
            raise sub_microsecond_error(times[micro.astype(times.dtype) != times][0])
        return [_to_datetime(time, zone) for time in micro.tolist()]

    return factorize_words(words, present, parts)


def _date(day: Any) -> date:
    try:
        return date(1970, 1, 1) + timedelta(days=int(day.view("i8")))
    except OverflowError:
        raise year_out_of_range_error(day) from None


def _to_datetime(time: Any, zone: str) -> Any:
    if isinstance(time, int):  # NumPy returns integers beyond the range of datetime
        raise sub_microsecond_error(np.datetime64(time, "us"))
    if time is None:  # NaT in a row that is valid
        raise sub_microsecond_error(f"{-(2**63)} microseconds since 1970")
    return time.replace(tzinfo=UTC) if zone else time


def factorize_objects(values: Sequence[Any]) -> GroupKeys:
    """Factorize Python values, one key per value."""
    return from_codes(np.arange(len(values)), values)


def empty_as_missing(keys: GroupKeys) -> GroupKeys:
    """Return keys with empty strings as missing, which CSV cannot express otherwise."""
    if ("",) not in keys.uniques:
        return keys
    return from_codes(keys.codes, [None if entry[0] == "" else entry[0] for entry in keys.uniques])


def cross_keys(parts: Sequence[GroupKeys]) -> GroupKeys:
    """Combine the keys of several columns into tuples."""
    result = parts[0]
    for more in parts[1:]:
        words = result.codes * len(more.uniques) + more.codes
        codes, first = _core.number_words(words.view(np.uint64))
        ours, theirs = result.codes[first].tolist(), more.codes[first].tolist()
        pairs = zip(ours, theirs, strict=True)
        result = GroupKeys(codes, tuple(result.uniques[a] + more.uniques[b] for a, b in pairs))
    return result


def factorize_numpy(array: AnyArray) -> GroupKeys:
    """Factorize an array of one dimension; the keys of masked values are missing."""
    if isinstance(array, np.ma.MaskedArray):
        keys = factorize_numpy(array.compressed())
        values = [entry[0] for entry in keys.uniques]
        return from_codes(keys.codes, values, ~np.ma.getmaskarray(array))
    kind = array.dtype.kind
    if kind == "b" or (kind in "iuf" and array.dtype.itemsize <= 8):
        return factorize_column(Column(array.astype(array.dtype.newbyteorder("="))))
    if kind == "M":
        whole = _in_whole_units(array)
        unit = np.datetime_data(whole.dtype)[0]
        dtype = "date[day]" if unit == "D" else f"timestamp[{unit}]"
        words = np.ascontiguousarray(whole).astype(whole.dtype.newbyteorder("=")).view(np.int64)
        there = ~np.isnat(whole)
        return _factorize_times(words, None if there.all() else there, dtype, "")
    if kind == "U":
        _check_text(array)
        unique, codes = np.unique(array, return_inverse=True)
        return from_codes(codes.reshape(-1).astype(np.int64), unique.tolist())
    return factorize_objects(array.tolist())


def _in_whole_units(array: AnyArray) -> AnyArray:
    """Return times in a supported unit; other units are converted to seconds."""
    unit, _ = np.datetime_data(array.dtype)
    there = ~np.isnat(array)
    if unit in ("Y", "M", "W", "h", "m"):  # NumPy does not check for overflow in conversions
        first, last = np.array(["0001-01-01", "9999-12-31T23:59"], "M8[m]").astype(array.dtype)
        if (outside := there & ((array < first) | (array > last))).any():
            raise year_out_of_range_error(array[outside][0])
    whole = array.astype(f"M8[{unit if unit in _STEPS.values() else 's'}]")
    if (changed := there & (whole != array)).any():
        raise sub_microsecond_error(array[changed][0])
    return whole


def _check_text(array: AnyArray) -> None:
    """Check that the strings of an array, which may come from a file, are valid Unicode."""
    whole = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    letters = whole.view(np.uint32) if array.dtype.itemsize else np.empty(0, np.uint32)
    if len(letters) and letters.max() > sys.maxunicode:
        raise DataError(
            "A group's key must be text in Unicode. "
            f"Received: the letter {letters.max():#x}, which does not exist. It may be damaged."
        )


def factorize_named(array: AnyArray, name: str, label: str) -> GroupKeys:
    """Factorize an array of one dimension; errors name the column."""
    try:
        return factorize_numpy(array)
    except (DataError, UnsupportedTypeError) as error:
        raise locate_error(error, name, label) from None


def locate_error(error: EvenlyError, name: str, label: str) -> EvenlyError:
    """Return an error about values that also names their column."""
    column = f"column {str(name)!r} of " if name else ""
    return type(error)(f"{error} It is in {column}{label}.")


class KeyedSource(AlignedSource):
    """A source with an array of group keys.

    Raises
    ------
    DataError
        If there are more or fewer keys than rows, which may be known only at the end.
    """

    def __init__(self, source: Source, keys: GroupKeys) -> None:
        super().__init__(source, keys, rule="by= must have one key", noun="keys")

    def blocks(self) -> Generator[Block]:
        """Yield the blocks with their keys."""
        for block, keys in self.zip_blocks(keys_per_block):
            if block.rows != len(keys):
                keys = GroupKeys(np.repeat(keys.codes, block.rows // len(keys)), keys.uniques)
            yield replace(block, keys=keys)


def keys_per_block(block: Block) -> int:
    """Return how many keys a block needs: one per row, or one per image of N×C×H×W."""
    if block.has_columns or block.data.ndim < 3:
        return block.rows
    shape = tuple(block.data.shape)
    return int(shape[1 if block.feature_axis % len(shape) == 0 else 0])
