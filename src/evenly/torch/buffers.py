"""Keep scaling constants as float64 buffers that follow moves but not casts."""

from collections.abc import Callable

import torch
from torch import Tensor

from evenly.transform import Scaling

ScalingTensors = tuple[Tensor, Tensor, Tensor]


def scaling_tensors(scaling: Scaling) -> ScalingTensors:
    """Return hi, lo and factor as tensors that include the power of two.

    The inverse of a standard deviation below 2**-1024 overflows float64; it is clamped to the
    largest float64.
    """
    hi, lo, factor = map(torch.from_numpy, (scaling.hi, scaling.lo, scaling.factor))
    if scaling.power is not None:
        power = torch.from_numpy(scaling.power)
        sign = -1 if scaling.inverse else 1
        hi, lo = torch.ldexp(hi, -power), torch.ldexp(lo, -power)
        factor = torch.ldexp(factor, sign * power).clamp(max=torch.finfo(torch.float64).max)
    return hi, lo, factor


def dtype_on(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on devices without float64 (Apple's GPUs)."""
    return torch.float32 if device.type == "mps" else torch.float64


def apply_move(fn: Callable[[Tensor], Tensor], buffer: Tensor) -> Tensor:
    """Apply ``fn`` to a buffer's bits as int64, which moves apply to and casts do not."""
    result = fn(buffer.view(torch.int64) if buffer.dtype == torch.float64 else buffer)
    dtype = dtype_on(result.device)
    if result.dtype == torch.int64 and dtype == torch.float64:
        return result.view(torch.float64)
    return torch.empty(buffer.shape, dtype=dtype, device=result.device)  # written again
