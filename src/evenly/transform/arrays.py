"""Scale NumPy arrays and objects that convert to one (``__array__``, ``__dlpack__``, lists)."""

from typing import Any

import numpy as np

from evenly.errors import DataError, UnsupportedTypeError, check_choice, format_names
from evenly.sources.feature_axis import axis_number
from evenly.sources.native_arrays import as_array, is_native, is_plain, to_native
from evenly.transform.dtypes import result_dtype
from evenly.transform.kernel import overlaps, scale_into
from evenly.transform.scaling import MISSING_POLICIES, Scaling
from evenly.typing import AnyArray, AnyDtype, FeatureAxis


def scale_array(
    x: Any,
    scaling: Scaling,
    *,
    out: Any = None,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> AnyArray:
    """Return ``x`` scaled, as a NumPy array of the same shape, or written into ``out``."""
    check_choice("missing", missing, MISSING_POLICIES)
    array = as_plain_array(x)
    axis = check_shape(array.shape, len(scaling), feature_axis)
    if out is None:
        out = np.empty_like(array, output_dtype(array, dtype), subok=False)
    else:
        _check_out(out, array, dtype)
        if overlaps(array, out):
            array = array.copy()
    scale_into(array, out, scaling, axis, missing)
    return out  # type: ignore[no-any-return]


def as_plain_array(x: object) -> AnyArray:
    """Return ``x`` as an array in native byte order.

    Raises
    ------
    UnsupportedTypeError
        When ``x`` is a structured array.
    """
    array: AnyArray = to_native(as_array(x, "x", has_select=False))
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
    if not ndim:
        raise DataError(
            "x must have rows. Received: a single number. Pass it in a list of rows: [[3.0]]."
        )
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


def output_dtype(array: Any, dtype: Any) -> AnyDtype:
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


def _check_out(out: object, x: AnyArray, dtype: object) -> None:
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
