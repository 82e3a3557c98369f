"""Statistics as float64 tensors that a model's moves take along and its casts leave alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from evenly.transform import Scaling

ScalingTensors = tuple[Tensor, Tensor, Tensor]


def scaling_tensors(scaling: Scaling) -> ScalingTensors:
    """Return hi, lo and factor as tensors, a power of two put back into them.

    A standard deviation below 2**-1024 has no inverse in float64; the largest float64 takes
    its place.
    """
    hi, lo, factor = map(torch.from_numpy, (scaling.hi, scaling.lo, scaling.factor))
    if scaling.power is not None:
        power = torch.from_numpy(scaling.power)
        sign = -1 if scaling.inverse else 1
        hi, lo = torch.ldexp(hi, -power), torch.ldexp(lo, -power)
        factor = torch.ldexp(factor, sign * power).clamp(max=torch.finfo(torch.float64).max)
    return hi, lo, factor


def dtype_on(device: torch.device) -> torch.dtype:
    """Return float64, or float32 where the device knows no other (Apple's GPUs)."""
    return torch.float32 if device.type == "mps" else torch.float64


def apply_move(fn: Callable[[Tensor], Tensor], buffer: Tensor) -> Tensor:
    """Return a buffer moved by fn. It shows its bits, as whole numbers: casts leave those alone."""
    result = fn(buffer.view(torch.int64) if buffer.dtype == torch.float64 else buffer)
    wanted = dtype_on(result.device)
    if result.dtype == torch.int64 and wanted == torch.float64:
        return result.view(torch.float64)
    return torch.empty(buffer.shape, dtype=wanted, device=result.device)  # and written anew
