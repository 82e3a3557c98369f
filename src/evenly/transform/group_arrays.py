"""NumPy arrays by group: one key for each entry of the first axis that holds rows."""

from typing import Any

import numpy as np

from evenly.errors import DataError, UnsupportedTypeError, format_names
from evenly.sources.arrays import as_array, to_native
from evenly.transform.arrays import Array, check_shape, output_dtype
from evenly.transform.group_scaling import GroupScaling, RowIndices

_ROWS = 2**16
"""Rows scaled at a time: what is computed on the way stays in the cache."""


def scale_array(
    x: Any,
    scaling: GroupScaling,
    rows: RowIndices,
    *,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: int = -1,
) -> Array:
    """Return ``x`` scaled, as a NumPy array of the same shape."""
    array = to_native(as_array(x, "x"))
    if array.dtype.names is not None:
        raise UnsupportedTypeError(
            "A structured array has no features along an axis. Received: fields "
            f"{format_names(array.dtype.names)}. Make a frame of it, or take its fields one by one."
        )
    axis = check_shape(array.shape, scaling.hi.shape[1], feature_axis)
    out: Array = np.empty_like(array, output_dtype(array, dtype), subok=False)
    entries = check_rows(array.shape, axis, rows)
    table = (1, -1) if array.ndim == 1 else array.shape
    source, target = array.reshape(table), out.reshape(table)
    for index in range(scaling.hi.shape[1]):
        column, result = (
            (np.moveaxis(a, axis, 0)[index] for a in (source, target))
            if (array.ndim > 1)
            else (source[0], target[0])
        )
        flat = (-1, *[1] * (column.ndim - 1))
        for start in range(0, entries, _ROWS):
            part = slice(start, start + _ROWS)
            result[part] = scaled(column[part], scaling, index, rows[part], missing, flat)
    return out


def check_rows(shape: tuple[int, ...], axis: int, rows: RowIndices) -> int:
    """Return how many entries the first axis of rows has, after checking that each has a key."""
    entries = shape[1 if axis == 0 and len(shape) > 1 else 0]
    if len(rows) != entries:
        raise DataError(
            f"by= must have one key a row. Received: {len(rows)} keys for {entries} rows of x, "
            f"of shape {shape}."
        )
    return entries


def scaled(
    x: Array,
    scaling: GroupScaling,
    column: int,
    rows: RowIndices,
    missing: str,
    flat: tuple[int, ...] = (-1,),
) -> Array:
    """Return one column's values scaled, in float64.

    Parameters
    ----------
    rows
        Of each entry of x's first axis its row in the tables.
    flat
        The shape in which a number a row goes along x.
    """
    wide = x.astype(np.float64)
    present = ~np.isnan(wide)
    some: Any = present if x.ndim == 1 else present.reshape(len(x), -1).any(axis=1)
    scaling.check(column, rows, some)
    hi, lo, factor, power = scaling.part(column, rows)
    hi, lo, factor = (part.reshape(flat) for part in (hi, lo, factor))
    power = None if power is None else power.reshape(flat)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if scaling.inverse:
            y = wide * factor + lo + hi
            y = y if power is None else np.ldexp(y, -power)
        elif power is None and x.dtype.kind in "iu" and x.itemsize == 8:
            y = (_centred(x, hi) - lo) * factor
        else:
            y = ((wide if power is None else np.ldexp(wide, power)) - hi - lo) * factor
    if missing == "zero":
        y[np.isnan(wide)] = 0.0
    return y


def _centred(x: Array, hi: Any) -> Array:
    """Return ``x - hi`` for integers of 64 bits, which a float64 need not hold: in two parts."""
    upper = x // 4096
    lower = (x - upper * 4096).astype(np.float64)
    centred: Array = (upper.astype(np.float64) * 4096.0 - hi) + lower
    return centred
