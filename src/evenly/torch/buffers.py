"""The buffers of a layer: scaling constants in float64, and the bytes of exact statistics."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from evenly.torch.scaling import as_numpy
from evenly.transform import Scaling

ScalingTensors = tuple[Tensor, Tensor, Tensor]


class StateTensors(NamedTuple):
    """All buffers of a layer."""

    hi: Tensor
    lo: Tensor
    scale: Tensor
    exact: Tensor

    @property
    def scaling(self) -> ScalingTensors:
        """The constants of ``((x - hi) - lo) * scale``."""
        return self[:3]

    @property
    def have_values(self) -> bool:
        """Whether the values can be read: not those of meta and fake tensors."""
        kinds = {type(x) for x in self}
        return kinds <= {Tensor, nn.Parameter} and not self.hi.is_meta and not self.exact.is_meta


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


def write_unfitted(hi: Tensor, lo: Tensor, scale: Tensor) -> None:
    """Write the constants of a layer without statistics: those of the identity."""
    hi.detach().zero_()
    lo.detach().zero_()
    scale.detach().fill_(1.0)


def are_unfitted(hi: Tensor, lo: Tensor, scale: Tensor) -> bool:
    """Return whether the constants are those of `write_unfitted`."""
    return not bool(hi.any() or lo.any() or (scale != 1).any())


def write_bytes(content: bytes, into: Tensor) -> None:
    """Write bytes to the start of a tensor of bytes."""
    if into.is_cpu:
        as_numpy(into)[: len(content)] = np.frombuffer(content, np.uint8)
    else:
        into[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)


def dtype_on(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on devices without float64 (Apple's GPUs)."""
    return torch.float32 if device.type == "mps" else torch.float64


def apply_move(fn: Callable[[Tensor], Tensor], buffer: Tensor) -> Tensor:
    """Apply ``fn`` to a buffer's bits as integers, which moves apply to and casts do not."""
    is_float64 = buffer.dtype == torch.float64
    bits = buffer.view(torch.int64) if is_float64 else buffer
    result = fn(bits)
    if result.dtype != bits.dtype:  # .type(...) converts integers too
        result = bits.to(result.device)
    if not is_float64:
        return result
    values = result.view(torch.float64)
    return values.to(dtype_on(values.device))
