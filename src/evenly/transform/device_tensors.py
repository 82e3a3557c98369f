"""Scale tensors on accelerators: few operators, which read and write the dtype of the batch."""

import torch
from torch import Tensor
from torch._C import _len_torch_dispatch_stack
from torch._C._functorch import peek_interpreter_stack
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.fx.experimental.proxy_tensor import get_proxy_mode

_PROMOTED = {
    torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
}  # fmt: skip
"""The dtypes that operators of torch convert to the dtype of another argument."""


def work_dtype(device: torch.device) -> torch.dtype:
    """Return the widest floating dtype of a device: float64, but float32 on Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def is_for_device(x: Tensor) -> bool:
    """Return whether to call operators of torch one by one, which write into given memory.

    That is on accelerators, and on the CPU under dispatch modes, which see the same operators.
    A graph that is traced gets operations in float64, which a compiler fuses; so do transforms of
    `torch.func` and forward-mode derivatives.
    """
    if is_compiling() or type(x) is not Tensor or x.dtype not in _PROMOTED:
        return False
    if x.is_cpu and _len_torch_dispatch_stack() == 0:
        return False
    if torch.jit.is_tracing() or get_proxy_mode() is not None:
        return False
    return peek_interpreter_stack() is None and forward_ad._current_level < 0


def scale_on_device(
    x: Tensor, constants: tuple[Tensor, ...], dtype: torch.dtype, inverse: bool, missing: str
) -> Tensor:
    """Scale with two operators (one for the inverse) that read and write the dtype of the batch.

    An operator converts its arguments to float64 while it computes, and rounds its result to the
    dtype of the memory that it is given. So a float32 result has two roundings, each at most
    2**-24 of it, and lacks ``lo * scale``, which is at most 2**-53 of ``mean / std``. (It differs
    more where ``x - mean`` is below 2**-126 or overflows.) float64 results include ``lo``.

    Parameters
    ----------
    x
        A tensor for which `is_for_device` is true, and which needs no gradient.
    constants
        hi, lo and scale, which broadcast along x: in float64, or float32 on devices without it.
    dtype
        The dtype of the result.
    """
    hi, lo, scale = constants
    x = x.view(torch.uint8) if x.dtype is torch.bool else x  # which cannot be subtracted
    step = torch.float64 if dtype is torch.float64 else torch.float32
    is_wide = torch.finfo(step).bits >= torch.finfo(hi.dtype).bits  # on Apple's GPUs always
    if inverse and is_wide:
        y = torch.addcmul(lo, x, scale).add_(hi)
    elif inverse:
        y = torch.addcmul(hi, x, scale, out=torch.empty_like(x, dtype=dtype))
    elif is_wide:
        y = torch.addcmul(lo * -scale, x - hi, scale)
    else:
        y = torch.sub(x, hi, out=torch.empty_like(x, dtype=step))
        y = torch.mul(y, scale, out=y if step is dtype else torch.empty_like(x, dtype=dtype))
    if missing == "zero":
        y = y.nan_to_num_(0.0, posinf=torch.inf, neginf=-torch.inf)
    return y.to(dtype)
