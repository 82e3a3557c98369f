"""Scale tensors: ``((x - hi) - lo) * scale``, and the inverse."""

from typing import Any

import torch
from torch import Tensor

from evenly import _core
from evenly.torch.allocator import empty_like
from evenly.transform.arrays import CoreView
from evenly.transform.tensors import as_core_buffer


def apply_scaling(
    x: Tensor, hi: Tensor, lo: Tensor, scale: Tensor, axis: int, *, inverse: bool, missing: str
) -> Tensor:
    """Normalize ``x``, or undo that with ``inverse``, in its own floating-point dtype.

    Parameters
    ----------
    x
        Any real dtype; the result of integers and booleans has torch's default dtype.
    hi, lo, scale
        One number per feature, in float64 (float32 on devices without float64).
    axis
        The axis of the features.
    missing
        ``"keep"`` keeps NaN, ``"zero"`` replaces it by 0.
    """
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    is_float64 = hi.dtype is lo.dtype is scale.dtype is torch.float64
    if is_float64 and x.ndim > 1 and is_plain_cpu(x) and not _needs_grad(x, hi, lo, scale):
        return _scale_native(x, hi, lo, scale, axis, dtype, inverse, missing)
    return scale_in_operations(x, hi, lo, scale, axis, dtype, inverse, missing)


def scale_in_operations(
    x: Tensor,
    hi: Tensor,
    lo: Tensor,
    scale: Tensor,
    axis: int,
    dtype: torch.dtype,
    inverse: bool,
    missing: str,
) -> Tensor:
    """Do the same as `apply_scaling` in operations of torch, which TorchScript can compile."""
    if axis != -1 and axis != x.ndim - 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        hi, lo, scale = hi.view(shape), lo.view(shape), scale.view(shape)
    y = x.to(hi.dtype)
    y = y * scale + lo + hi if inverse else ((y - hi) - lo) * scale
    if missing == "zero":
        y = torch.where(torch.isnan(y), 0.0, y)
    return y.to(dtype)


def is_plain_cpu(x: Tensor) -> bool:
    """Return whether x is a plain CPU tensor without transforms, tracing or modes."""
    return x.is_cpu and is_plain(x)


def is_plain(x: Tensor) -> bool:
    """Return whether x is a plain tensor without transforms, tracing or modes."""
    return (
        not torch.compiler.is_compiling()
        and type(x) is Tensor
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch.jit.is_tracing()
    )


def _needs_grad(*tensors: Tensor) -> bool:
    """Return whether reverse- or forward-mode derivatives are needed."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and True in [tensor.requires_grad for tensor in tensors]


def _scale_native(
    x: Tensor,
    hi: Tensor,
    lo: Tensor,
    scale: Tensor,
    axis: int,
    dtype: torch.dtype,
    inverse: bool,
    missing: str,
) -> Tensor:
    out = empty_like(x, dtype)
    (source, source_dtype), (target, target_dtype) = _core_view(x), _core_view(out)
    constants = as_numpy(hi), as_numpy(lo), as_numpy(scale)
    zero_missing = missing == "zero"
    _core.scale(
        source, target, axis, *constants, inverse, zero_missing, 0, source_dtype, target_dtype
    )
    return out


def _core_view(x: Tensor) -> CoreView:
    """Return a view that the core accepts, with a fast path for float32."""
    if x.dtype is torch.float32 and not x.requires_grad and not x.is_neg():
        return x.numpy(), None
    return as_core_buffer(x)


def as_numpy(buffer: Tensor) -> Any:
    """Return a NumPy view of a buffer."""
    return (buffer.detach() if buffer.requires_grad else buffer).numpy()
