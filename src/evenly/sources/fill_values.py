"""Fill values: numbers that a file declares to mean that there is no value."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column, mask_to_validity
from evenly.typing import AnyArray, AnyDtype


def value_in(number: Any, dtype: AnyDtype) -> int | float | None:
    """Return the value of a dtype that a declared number stands for; None if there is none.

    A float is rounded to the precision of the dtype. An integer dtype has no value for a fraction,
    or for a number that is out of range. NaN is missing without being declared.

    >>> [value_in(1e20, np.dtype(name)) for name in ("float32", "int16")]
    [1.0000000200408773e+20, None]
    """
    if np.isnan(number):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            rounded = float(dtype.type(number))
        return rounded if np.isinf(rounded) == np.isinf(number) else None
    if np.isinf(number) or number != np.floor(number):
        return None
    return int(number) if int(number) in integer_range(dtype) else None


def integer_range(dtype: AnyDtype) -> range:
    """Return the values of an integer dtype."""
    limits = np.iinfo(dtype)
    return range(int(limits.min), int(limits.max) + 1)


def find_values(values: AnyArray, fills: Iterable[Any]) -> npt.NDArray[np.bool_] | None:
    """Return which values are one of some values of their dtype; None for no fill values."""
    found = None
    for fill in fills:
        matches = np.asarray(values == values.dtype.type(fill))
        found = matches if found is None else found | matches
    return found


def column_of(values: AnyArray, shape: tuple[int, ...] | None = None) -> Column:
    """Return values, which may be a masked array, as a column.

    Parameters
    ----------
    shape
        The shape to repeat the values to, along axes of length 1.
    """
    if values.dtype.kind in "mM":
        return _time_column(values, shape)
    shape = values.shape if shape is None else shape
    data = np.broadcast_to(np.ma.getdata(values), shape).reshape(-1)
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    if not isinstance(values, np.ma.MaskedArray):
        return Column(data)
    present = np.broadcast_to(~np.ma.getmaskarray(values), shape).reshape(-1)
    return Column(data, mask_to_validity(present))


def _time_column(values: AnyArray, shape: tuple[int, ...] | None) -> Column:
    """Return NumPy's times as integers in their unit; NaT is missing."""
    kind = time_kind(values.dtype)
    unit = kind.partition("[")[2].rstrip("]")
    times = np.ma.getdata(values).astype(f"{values.dtype.kind}8[{_UNITS.get(unit, unit)}]")
    missing = np.isnat(times) | np.ma.getmaskarray(values)
    column = column_of(np.ma.MaskedArray(times.view(np.int64), missing), shape)
    return replace(column, dtype=kind)


_UNITS = {"day": "D"}
"""NumPy's names of units that have another one in Arrow."""


def time_kind(dtype: AnyDtype) -> str:
    """Return the kind of a column of NumPy's times, as `Field` has it; empty for other types.

    Minutes, hours and weeks are counted in seconds.

    >>> [time_kind(np.dtype(name)) for name in ("M8[ns]", "M8[D]", "m8[h]", "M8[Y]", "f4")]
    ['timestamp[ns]', 'date[day]', 'duration[s]', '', '']
    """
    if dtype.kind not in "mM":
        return ""
    unit, count = np.datetime_data(dtype)
    if count != 1 or unit not in ("W", "D", "h", "m", "s", "ms", "us", "ns"):
        return ""
    if dtype.kind == "M" and unit == "D":
        return "date[day]"
    name = "timestamp" if dtype.kind == "M" else "duration"
    return f"{name}[{unit if unit in ('s', 'ms', 'us', 'ns') else 's'}]"
