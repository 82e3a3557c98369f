"""Torch tensors: the kernel for plain ones on the CPU, torch's own operations otherwise."""

from typing import Any

import numpy as np
import torch

from evenly.errors import DataError, UnsupportedTypeError
from evenly.transform import arrays
from evenly.transform.dtypes import result_dtype
from evenly.transform.scaling import Scaling


def scale_tensor(
    x: torch.Tensor,
    scaling: Scaling,
    *,
    out: torch.Tensor | None = None,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: int = -1,
) -> torch.Tensor:
    """Return ``x`` scaled, as a tensor on the same device, or written into ``out``.

    A tensor that requires grad, or is not on the CPU, takes plain torch operations with
    the same formula; gradients flow through. ``out=`` cannot carry a gradient.
    """
    arrays.check_missing(missing)
    if x.is_complex() or x.layout != torch.strided or x.is_quantized:
        raise UnsupportedTypeError(
            "A tensor must be dense, of integers, booleans or floats. "
            f"Received: {x.dtype}, {x.layout}. Convert it first."
        )
    axis = arrays.check_shape(tuple(x.shape), len(scaling), feature_axis)
    tracked = x.requires_grad and torch.is_grad_enabled()
    if out is not None:
        _check_out(out, x, dtype, tracked)
    by_torch = tracked or x.device.type != "cpu" or scaling.power is not None
    given = str(x.dtype if out is None else out.dtype).removeprefix("torch.")
    wanted = getattr(torch, result_dtype(given, dtype))
    if by_torch:
        result = by_operations(x, scaling, axis, missing).to(wanted)
        return result if out is None else out.copy_(result)
    if out is None:
        out = torch.empty_like(x, dtype=wanted, requires_grad=False)
    source, target = as_core_buffer(x), as_core_buffer(out)
    if arrays.overlaps(source[0], target[0]):
        source = source[0].copy(), source[1]
    arrays.call_kernel(source, target, scaling, axis, missing)
    return out


def _check_out(out: Any, x: torch.Tensor, dtype: Any, tracked: bool) -> None:
    if not isinstance(out, torch.Tensor) or out.device != x.device:
        raise UnsupportedTypeError(
            f"out must be a tensor on {x.device}, since x is one. Received: {type(out).__name__}"
            f"{f' on {out.device}' if isinstance(out, torch.Tensor) else ''}."
        )
    if tracked or out.requires_grad:
        raise UnsupportedTypeError(
            "out= cannot carry a gradient. Received: a tensor that requires grad. "
            "Leave out= away, or pass x.detach()."
        )
    if out.shape != x.shape:
        raise DataError(
            f"out must have the shape of x, {tuple(x.shape)}. Received: {tuple(out.shape)}."
        )
    given = str(out.dtype).removeprefix("torch.")
    wanted = result_dtype(given, dtype)
    if given != wanted:
        raise UnsupportedTypeError(
            f"out must have a floating dtype{'' if dtype is None else f', {wanted} as asked'}. "
            f"Received: {out.dtype}."
        )


def as_core_buffer(x: torch.Tensor) -> arrays.CoreView:
    """Return a CPU tensor as the core takes it: a NumPy view of the same memory."""
    x = x.detach()
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(np.uint16), "bfloat16"
    return x.resolve_neg().numpy(), None


def by_operations(x: torch.Tensor, scaling: Scaling, axis: int, missing: str) -> torch.Tensor:
    """Return ``x`` scaled by torch operations, in float64 where the device has it.

    In float32 (Apple's GPUs), hi and lo are split anew, so that their sum still is the
    mean to 48 bits.
    """
    work = torch.float32 if x.device.type == "mps" else torch.float64
    y = x.to(work)
    hi, lo, factor, power = (_broadcast(part, y, axis) for part in _parts(scaling, work))
    if scaling.inverse:
        y = (y * factor + lo + hi) / power
    else:
        y = ((y * power - hi) - lo) * factor
    if missing == "zero":
        y = torch.where(torch.isnan(y), torch.zeros_like(y), y)
    return y


def _parts(scaling: Scaling, work: torch.dtype) -> tuple[Any, Any, Any, Any]:
    power = np.ones(len(scaling)) if scaling.power is None else np.exp2(scaling.power)
    hi, lo = scaling.hi, scaling.lo
    if work == torch.float32:
        hi = scaling.hi.astype(np.float32).astype(np.float64)
        lo = (scaling.hi - hi) + scaling.lo
    return hi, lo, scaling.factor, power


def _broadcast(part: Any, y: torch.Tensor, axis: int) -> torch.Tensor:
    shape = [1] * y.ndim
    if y.ndim > 1:
        shape[axis] = -1
    return torch.as_tensor(part, dtype=y.dtype, device=y.device).reshape(shape)
