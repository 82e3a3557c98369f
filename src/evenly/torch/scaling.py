"""``((x - hi) - lo) * scale`` and back, for tensors: by the core's kernel or torch's operations."""

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
    """Return ``x`` normalised, or with ``inverse`` brought back, in its own floating type.

    Parameters
    ----------
    x
        Any real dtype; integers and booleans come out in torch's default dtype.
    hi, lo, scale
        One number a feature, in float64 (in float32 where the device knows no float64).
    axis
        The axis of ``x`` along which the features lie.
    missing
        ``"keep"`` or ``"zero"``: what becomes of NaN.
    """
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    wide = hi.dtype is lo.dtype is scale.dtype is torch.float64
    if wide and x.ndim > 1 and is_plain_cpu(x) and not _needs_grad(x, hi, lo, scale):
        return _native(x, hi, lo, scale, axis, dtype, inverse, missing)
    if axis not in (-1, x.ndim - 1):
        shape = [1] * x.ndim
        shape[axis] = -1
        hi, lo, scale = hi.view(shape), lo.view(shape), scale.view(shape)
    y = x.to(hi.dtype)
    y = y * scale + lo + hi if inverse else ((y - hi) - lo) * scale
    if missing == "zero":
        y = torch.where(torch.isnan(y), 0.0, y)
    return y.to(dtype)


def is_plain_cpu(x: Tensor) -> bool:
    """Whether x is a plain tensor on the CPU, which no transform, trace or mode looks at."""
    return (
        not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.is_cpu
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch.jit.is_tracing()
    )


def _needs_grad(*tensors: Tensor) -> bool:
    """Whether derivatives are taken, backward or forward."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and True in [tensor.requires_grad for tensor in tensors]


def _native(
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
    (source, source_name), (target, target_name) = _view(x), _view(out)
    constants = array(hi), array(lo), array(scale)
    zero = missing == "zero"
    _core.scale(source, target, axis, *constants, inverse, zero, 0, source_name, target_name)
    return out


def _view(x: Tensor) -> CoreView:
    """Return what the core takes; for the usual dtype in the quickest way."""
    if x.dtype is torch.float32 and not x.requires_grad and not x.is_neg():
        return x.numpy(), None
    return as_core_buffer(x)


def array(numbers: Tensor) -> Any:
    """Return a NumPy view of a buffer."""
    return (numbers.detach() if numbers.requires_grad else numbers).numpy()
