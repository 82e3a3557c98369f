"""``((x - hi) - lo) * scale`` and back, for tensors: by the core's kernel or torch's operations."""

import torch
from torch import Tensor

from evenly import _core
from evenly.transform.tensors import core_view


def shift(
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
    if not torch.compiler.is_compiling() and _plain(x, hi, lo, scale):
        return _by_kernel(x, hi, lo, scale, axis, dtype, inverse, missing)
    if axis not in (-1, x.ndim - 1):
        shape = [1] * x.ndim
        shape[axis] = -1
        hi, lo, scale = hi.view(shape), lo.view(shape), scale.view(shape)
    y = x.to(hi.dtype)
    y = y * scale + lo + hi if inverse else ((y - hi) - lo) * scale
    if missing == "zero":
        y = torch.where(torch.isnan(y), 0.0, y)
    return y.to(dtype)


def _plain(x: Tensor, *constants: Tensor) -> bool:
    """Whether nobody watches what is done with x: no gradient, transform, trace or mode."""
    if type(x) is not Tensor or x.device.type != "cpu":
        return False
    if torch.is_grad_enabled() and (x.requires_grad or any(c.requires_grad for c in constants)):
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and torch.autograd.forward_ad._current_level < 0
        and not torch.jit.is_tracing()
    )


def _by_kernel(
    x: Tensor,
    hi: Tensor,
    lo: Tensor,
    scale: Tensor,
    axis: int,
    dtype: torch.dtype,
    inverse: bool,
    missing: str,
) -> Tensor:
    out = torch.empty_like(x, dtype=dtype, requires_grad=False)
    (source, source_name), (target, target_name) = core_view(x), core_view(out)
    _core.scale(
        source,
        target,
        axis,
        hi.detach().numpy(),
        lo.detach().numpy(),
        scale.detach().numpy(),
        inverse,
        missing == "zero",
        0,
        source_name,
        target_name,
    )
    return out
