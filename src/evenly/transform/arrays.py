"""Scale NumPy arrays and objects that convert to one (``__array__``, ``__dlpack__``, lists)."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.errors import DataError, UnsupportedTypeError, check_choice, format_names
from evenly.sources.feature_axis import axis_number
from evenly.sources.native_arrays import as_array, is_native, is_plain, to_native
from evenly.transform.dtypes import result_dtype
from evenly.transform.scaling import MISSING_POLICIES, Scaling
from evenly.typing import FeatureAxis

if TYPE_CHECKING:  # only needed for groups
    from evenly.transform.group_scaling import GroupScaling, RowIndices

Array = npt.NDArray[Any]
CoreView = tuple[Array, str | None]

_GROUPED_ROWS = 2**16
"""Rows scaled by group at a time: intermediate results stay in the cache."""


def scale_array(
    x: Any,
    scaling: Scaling,
    *,
    out: Any = None,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> Array:
    """Return ``x`` scaled, as a NumPy array of the same shape, or written into ``out``."""
    check_choice("missing", missing, MISSING_POLICIES)
    array = _unstructured(x)
    axis = check_shape(array.shape, len(scaling), feature_axis)
    if out is None:
        out = np.empty_like(array, output_dtype(array, dtype), subok=False)
    else:
        _check_out(out, array, dtype)
        if overlaps(array, out):
            array = array.copy()
    scale_into(array, out, scaling, axis, missing)
    return out  # type: ignore[no-any-return]


def scale_array_by_group(
    x: object,
    scaling: "GroupScaling",
    rows: "RowIndices",
    *,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> Array:
    """Return ``x`` scaled by group, as a NumPy array of the same shape.

    Parameters
    ----------
    rows
        For each entry of the first axis that is not the features', its row in the tables.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    array = _unstructured(x)
    axis = check_shape(array.shape, scaling.num_features, feature_axis)
    out: Array = np.empty_like(array, output_dtype(array, dtype), subok=False)
    entries = check_rows(array.shape, axis, rows)
    table = (1, -1) if array.ndim == 1 else array.shape
    source, target = array.reshape(table), out.reshape(table)
    for index in range(scaling.num_features):
        column, result = (
            (np.moveaxis(a, axis, 0)[index] for a in (source, target))
            if (array.ndim > 1)
            else (source[0], target[0])
        )
        for start in range(0, entries, _GROUPED_ROWS):
            part = slice(start, start + _GROUPED_ROWS)
            result[part] = scale_rows(column[part], scaling, index, rows[part], missing)
    if scaling.clip is not None:
        limit(out, scaling.clip)
    return out


def _unstructured(x: object) -> Array:
    """Return ``x`` as an array in native byte order.

    Raises
    ------
    UnsupportedTypeError
        When ``x`` is a structured array.
    """
    array: Array = to_native(as_array(x, "x"))
    if array.dtype.names is not None:
        raise UnsupportedTypeError(
            "A structured array has no features along an axis. Received: fields "
            f"{format_names(array.dtype.names)}. Convert it to a frame, or pass single fields."
        )
    return array


def check_shape(shape: tuple[int, ...], num_features: int, feature_axis: FeatureAxis) -> int:
    """Return the axis of the features, after checking its length.

    A one-dimensional array is one column, as if it had a second axis of length 1.
    """
    ndim = len(shape)
    number = axis_number(shape, feature_axis, "x")
    if ndim == 1 and number in (-1, 1):
        axis, features = 0, 1
    elif ndim > 1 and -ndim <= number < ndim:
        axis, features = number % ndim, shape[number]
    else:
        raise DataError(
            f"feature_axis must be an axis of x. Received: {feature_axis}, and x of shape {shape}."
        )
    if features != num_features:
        hint = "A single row has two dimensions: x[None, :]" if ndim == 1 else "Pass feature_axis"
        raise DataError(
            f"x must have as many features as the moments, {num_features}. "
            f"Received: {features}, x of shape {shape}. {hint}."
        )
    return axis


def output_dtype(array: Any, dtype: Any) -> np.dtype[Any]:
    """Return the dtype of the result for an array, and a ``dtype=`` option."""
    if dtype is None and is_plain(array.dtype):
        return array.dtype  # type: ignore[no-any-return]
    name = result_dtype(array.dtype.name, dtype)
    if name == array.dtype.name:
        return array.dtype  # type: ignore[no-any-return]  # also bfloat16, which NumPy does not define
    try:
        return np.dtype(dtype) if name == "bfloat16" else np.dtype(name)
    except TypeError:
        raise UnsupportedTypeError(
            "NumPy does not define bfloat16. Pass dtype=ml_dtypes.bfloat16 (pip install "
            "ml_dtypes), or a torch tensor."
        ) from None


def _check_out(out: object, x: Array, dtype: object) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable or not is_native(out):
        raise UnsupportedTypeError(
            "If x is an array, out must be a writable NumPy array, aligned and in native byte "
            f"order. Received: {type(out).__name__}."
        )
    if out.shape != x.shape:
        raise DataError(f"out must have the shape of x, {x.shape}. Received: {out.shape}.")
    wanted = result_dtype(out.dtype.name, dtype)
    if out.dtype.name != wanted:
        raise UnsupportedTypeError(
            f"out must have a floating dtype{'' if dtype is None else f', {wanted} as requested'}. "
            f"Received: {out.dtype}."
        )


def overlaps(x: Array, out: Array) -> bool:
    """Return whether writing ``out`` would change values of ``x`` not yet read."""
    if not np.may_share_memory(x, out):
        return False
    return not (
        x.__array_interface__["data"] == out.__array_interface__["data"]
        and x.strides == out.strides
        and x.itemsize == out.itemsize
    )


def scale_into(x: Array, out: Array, scaling: Scaling, axis: int, missing: str) -> None:
    """Scale ``x`` into ``out`` of the same shape; ``axis`` comes from `check_shape`."""
    _scale_into(x, out, scaling, axis, missing)
    if scaling.clip is not None:
        limit(out, scaling.clip)


def limit(values: Array, ends: tuple[float, float]) -> None:
    """Limit values to a range in place; NaN is kept."""
    np.clip(values, *(values.dtype.type(end) for end in ends), out=values)


def _scale_into(x: Array, out: Array, scaling: Scaling, axis: int, missing: str) -> None:
    if scaling.power is None:
        call_kernel(as_core_buffer(x), as_core_buffer(out), scaling, axis, missing)
    elif not scaling.inverse:
        scaled = _multiply_by_power(x, scaling.power, axis)
        call_kernel((scaled, None), as_core_buffer(out), scaling, axis, missing)
    else:
        wide = np.empty_like(out, np.float64)
        call_kernel(as_core_buffer(x), (wide, None), scaling, axis, missing)
        with np.errstate(over="ignore", under="ignore"):
            out[...] = _multiply_by_power(wide, -scaling.power, axis)


def _broadcast(numbers: npt.NDArray[Any], ndim: int, axis: int) -> npt.NDArray[Any]:
    """Return one number per column in a shape that broadcasts along the features."""
    shape = [1] * ndim
    if ndim > 1:
        shape[axis] = -1
    return numbers.reshape(shape)


def _multiply_by_power(x: Array, power: npt.NDArray[np.int64], axis: int) -> Array:
    """Return ``x * 2**power`` in float64, with one exponent per column."""
    with np.errstate(over="ignore", under="ignore"):
        product: Array = np.ldexp(x.astype(np.float64), _broadcast(power, x.ndim, axis))
        return product


def as_core_buffer(x: Array) -> CoreView:
    """Return an array and a dtype name for the core: bfloat16 is passed as uint16 bits."""
    if is_plain(x.dtype) or x.dtype.name != "bfloat16":
        return x, None
    return x.view(np.uint16), "bfloat16"


def call_kernel(x: CoreView, out: CoreView, scaling: Scaling, axis: int, missing: str) -> None:
    """Compute ``((x - hi) - lo) * factor``, or its inverse, in the core, rounded once."""
    x_bits, x_dtype = x
    out_bits, out_dtype = out
    _core.scale(
        x_bits,
        out_bits,
        axis,
        scaling.hi,
        scaling.lo,
        scaling.factor,
        inverse=scaling.inverse,
        nan_to_zero=missing == "zero",
        x_dtype=x_dtype,
        out_dtype=out_dtype,
    )


def check_rows(shape: tuple[int, ...], axis: int, rows: "RowIndices") -> int:
    """Return the number of entries of x, after checking that each has a key."""
    entries = shape[1 if axis == 0 and len(shape) > 1 else 0]
    if len(rows) != entries:
        raise DataError(
            f"by= must have one key per row. Received: {len(rows)} keys for {entries} rows of x, "
            f"of shape {shape}."
        )
    return entries


def scale_rows(
    x: Array,
    scaling: "GroupScaling",
    column: int,
    rows: "RowIndices",
    missing: str,
    valid: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """Return the values of a column scaled by group, in float64.

    Parameters
    ----------
    rows
        For each entry, its row in the tables.
    valid
        Whether each entry has a value; None for all of them.
    """
    wide = x.astype(np.float64)
    present = ~np.isnan(wide) if valid is None else ~np.isnan(wide) & valid
    any_present: Any = present if x.ndim == 1 else present.reshape(len(x), -1).any(axis=1)
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
            y = ((wide - hi) + (_rest(x, wide) - lo)) * factor
        else:
            y = ((wide if power is None else np.ldexp(wide, power)) - hi - lo) * factor
    if missing == "zero":
        y[np.isnan(wide)] = 0.0
    return y


def _rest(x: Array, wide: Array) -> Array:
    """Return the exact difference of 64-bit integers and the float64 that they are rounded to."""
    upper = x // 4096
    lower = (x - upper * 4096).astype(np.float64)
    difference: Array = (upper.astype(np.float64) * 4096.0 - wide) + lower
    return difference
