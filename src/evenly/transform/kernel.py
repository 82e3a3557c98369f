"""Scale NumPy arrays with the kernel of the core, into memory that the caller has allocated."""

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.sources.native_arrays import is_plain
from evenly.transform.scaling import Scaling
from evenly.typing import AnyArray

CoreView = tuple[AnyArray, str | None]
"""An array for the core, and the name of its dtype if NumPy does not define it."""


def scale_into(x: AnyArray, out: AnyArray, scaling: Scaling, axis: int, missing: str) -> None:
    """Scale ``x`` into ``out`` of the same shape; ``axis`` comes from `check_shape`."""
    _scale_into(x, out, scaling, axis, missing)
    if scaling.clip is not None:
        clip_in_place(out, scaling.clip)


def _scale_into(x: AnyArray, out: AnyArray, scaling: Scaling, axis: int, missing: str) -> None:
    if scaling.power is None:
        call_kernel(array_buffer(x), array_buffer(out), scaling, axis, missing)
    elif not scaling.inverse:
        scaled = _multiply_by_power(x, scaling.power, axis)
        call_kernel((scaled, None), array_buffer(out), scaling, axis, missing)
    else:
        wide = np.empty_like(out, np.float64)
        call_kernel(array_buffer(x), (wide, None), scaling, axis, missing)
        with np.errstate(over="ignore", under="ignore"):
            out[...] = _multiply_by_power(wide, -scaling.power, axis)


def clip_in_place(values: AnyArray, ends: tuple[float, float]) -> None:
    """Limit values to a range in place; NaN is kept."""
    np.clip(values, *(values.dtype.type(end) for end in ends), out=values)


def _broadcast(numbers: AnyArray, ndim: int, axis: int) -> AnyArray:
    """Return one number per column in a shape that broadcasts along the features."""
    shape = [1] * ndim
    if ndim > 1:
        shape[axis] = -1
    return numbers.reshape(shape)


def _multiply_by_power(x: AnyArray, power: npt.NDArray[np.int64], axis: int) -> AnyArray:
    """Return ``x * 2**power`` in float64, with one exponent per column."""
    with np.errstate(over="ignore", under="ignore"):
        product: AnyArray = np.ldexp(x.astype(np.float64), _broadcast(power, x.ndim, axis))
        return product


def array_buffer(x: AnyArray) -> CoreView:
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


def overlaps(x: AnyArray, out: AnyArray) -> bool:
    """Return whether writing ``out`` would change values of ``x`` not yet read."""
    if not np.may_share_memory(x, out):
        return False
    return not (
        x.__array_interface__["data"] == out.__array_interface__["data"]
        and x.strides == out.strides
        and x.itemsize == out.itemsize
    )
