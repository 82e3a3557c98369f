"""Scale NumPy arrays by the statistics of the group of each row."""

import numpy as np

from evenly.errors import DataError, check_choice
from evenly.transform.arrays import as_plain_array, check_shape, output_dtype
from evenly.transform.group_scaling import GroupScaling, RowIndices
from evenly.transform.kernel import clip_in_place
from evenly.transform.scaling import MISSING_POLICIES
from evenly.typing import AnyArray, FeatureAxis

_CHUNK_ROWS = 2**16
"""Rows scaled at a time: intermediate results stay in the cache."""


def scale_array_by_group(
    x: object,
    scaling: GroupScaling,
    rows: RowIndices,
    *,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> AnyArray:
    """Return ``x`` scaled by group, as a NumPy array of the same shape.

    Parameters
    ----------
    rows
        For each entry of the first axis that is not the features', its row in the tables.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    array = as_plain_array(x)
    axis = check_shape(array.shape, scaling.num_features, feature_axis)
    out: AnyArray = np.empty_like(array, output_dtype(array, dtype), subok=False)
    entries = check_rows(array.shape, axis, rows)
    table = (1, -1) if array.ndim == 1 else array.shape
    source, target = array.reshape(table), out.reshape(table)
    for index in range(scaling.num_features):
        column, result = (
            (np.moveaxis(a, axis, 0)[index] for a in (source, target))
            if (array.ndim > 1)
            else (source[0], target[0])
        )
        for start in range(0, entries, _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            result[part] = scale_rows(column[part], scaling, index, rows[part], missing)
    if scaling.clip is not None:
        clip_in_place(out, scaling.clip)
    return out


def check_rows(shape: tuple[int, ...], axis: int, rows: RowIndices) -> int:
    """Return the number of entries of x, after checking that each has a key."""
    entries = shape[1 if axis == 0 and len(shape) > 1 else 0]
    if len(rows) != entries:
        raise DataError(
            f"by= must have one key per row. Received: {len(rows)} keys for {entries} rows of x, "
            f"of shape {shape}."
        )
    return entries


def scale_rows(
    x: AnyArray, scaling: GroupScaling, column: int, rows: RowIndices, missing: str
) -> AnyArray:
    """Return the values of a column scaled by group, in float64.

    Parameters
    ----------
    rows
        For each entry, its row in the tables.
    """
    wide = x.astype(np.float64)
    present = ~np.isnan(wide)
    any_present = np.asarray(present.any(axis=tuple(range(1, x.ndim))), np.bool_)
    scaling.check_defined(column, rows, any_present)
    shape = (-1, *[1] * (x.ndim - 1))
    hi, lo, factor, power = scaling.lookup(column, rows)
    hi, lo, factor = (numbers.reshape(shape) for numbers in (hi, lo, factor))
    power = None if power is None else power.reshape(shape)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if scaling.inverse:
            y = wide * factor + lo + hi
            y = y if power is None else np.ldexp(y, -power)
        elif power is None and x.dtype.kind in "iu" and x.itemsize == 8:
            y = ((wide - hi) + (_rounding_error(x, wide) - lo)) * factor
        else:
            y = ((wide if power is None else np.ldexp(wide, power)) - hi - lo) * factor
    if missing == "zero":
        y[np.isnan(wide)] = 0.0
    return y


def _rounding_error(x: AnyArray, wide: AnyArray) -> AnyArray:
    """Return the exact difference of 64-bit integers and the float64 that they are rounded to."""
    upper = x // 4096
    lower = (x - upper * 4096).astype(np.float64)
    difference: AnyArray = (upper.astype(np.float64) * 4096.0 - wide) + lower
    return difference
