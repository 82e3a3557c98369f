"""Scale tensors: ``((x - hi) - lo) * scale``, and the inverse."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._C import _get_tracing_state, _len_torch_dispatch_stack
from torch._C._functorch import peek_interpreter_stack
from torch.compiler import is_compiling

from evenly import _core
from evenly.torch.allocator import empty_like
from evenly.transform.device_tensors import is_for_device, scale_on_device
from evenly.transform.kernel import CoreView
from evenly.transform.scaling import Floats
from evenly.transform.tensors import tensor_buffer
from evenly.typing import AnyArray

Constants = tuple[Floats, Floats, Floats]
"""hi, lo and scale as arrays of NumPy."""


def apply_scaling(
    x: Tensor,
    hi: Tensor,
    lo: Tensor,
    scale: Tensor,
    axis: int,
    *,
    inverse: bool,
    missing: str,
    constants: Callable[[], Constants | None],
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
    constants
        Returns the memory of hi, lo and scale; None if they are not float64 on the CPU.
    """
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    needs_grad = _needs_grad(x, hi, lo, scale)
    if x.ndim > 1 and is_plain_cpu(x) and not needs_grad and (arrays := constants()) is not None:
        return _scale_native(x, arrays, axis, dtype, inverse, missing)
    if is_for_device(x) and not needs_grad:
        along = _along(axis, x.ndim, hi, lo, scale)
        return scale_on_device(x, along, dtype, inverse, missing)
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
    hi, lo, scale = _along(axis, x.ndim, hi, lo, scale)
    y = x.to(hi.dtype)
    y = y * scale + lo + hi if inverse else ((y - hi) - lo) * scale
    if missing == "zero":
        y = torch.where(torch.isnan(y), 0.0, y)
    return y.to(dtype)


def _along(
    axis: int, ndim: int, hi: Tensor, lo: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Reshape one number per feature so that it broadcasts along the axis of the features."""
    if axis == -1 or axis == ndim - 1:
        return hi, lo, scale
    shape = [1] * ndim
    shape[axis] = -1
    return hi.view(shape), lo.view(shape), scale.view(shape)


def is_plain_cpu(x: Tensor) -> bool:
    """Return whether x is a plain CPU tensor without transforms, tracing or modes."""
    return x.is_cpu and is_plain(x)


def is_plain(x: Tensor) -> bool:
    """Return whether x is a plain tensor without transforms, tracing or modes."""
    return (
        not is_compiling()
        and type(x) is Tensor
        and peek_interpreter_stack() is None
        and _len_torch_dispatch_stack() == 0
        and _get_tracing_state() is None
    )


def _needs_grad(*tensors: Tensor) -> bool:
    """Return whether reverse- or forward-mode derivatives are needed."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and True in [tensor.requires_grad for tensor in tensors]


def _scale_native(
    x: Tensor, constants: Constants, axis: int, dtype: torch.dtype, inverse: bool, missing: str
) -> Tensor:
    out = empty_like(x, dtype)
    (source, source_dtype), (target, target_dtype) = _core_view(x), _core_view(out)
    zero_missing = missing == "zero"
    _core.scale(
        source, target, axis, *constants, inverse, zero_missing, 0, source_dtype, target_dtype
    )
    return out


def _core_view(x: Tensor) -> CoreView:
    """Return a view that the core accepts, with a fast path for float32."""
    if x.dtype is torch.float32 and not x.requires_grad and not x.is_neg():
        return x.numpy(), None
    return tensor_buffer(x)


def as_numpy(buffer: Tensor) -> AnyArray:
    """Return a NumPy view of a buffer."""
    return (buffer.detach() if buffer.requires_grad else buffer).numpy()
