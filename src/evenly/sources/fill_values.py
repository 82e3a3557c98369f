"""Fill values: numbers that a file declares to mean that there is no value."""

from collections.abc import Iterable
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
    shape = values.shape if shape is None else shape
    data = np.broadcast_to(np.ma.getdata(values), shape).reshape(-1)
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    if not isinstance(values, np.ma.MaskedArray):
        return Column(data)
    present = np.broadcast_to(~np.ma.getmaskarray(values), shape).reshape(-1)
    return Column(data, mask_to_validity(present))
