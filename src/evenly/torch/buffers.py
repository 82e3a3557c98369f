"""The buffers of a layer: scaling constants in float64, and the bytes of exact statistics."""

import warnings
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from evenly.moments import Moments
from evenly.torch.scaling import as_numpy
from evenly.transform import Scaling
from evenly.transform.device_tensors import work_dtype
from evenly.transform.scaling import Floats
from evenly.transform.scaling_errors import format_columns

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


class Memory(NamedTuple):
    """The memory of all buffers of a layer, which NumPy and the core read and write."""

    hi: Floats
    lo: Floats
    scale: Floats
    exact: memoryview

    def constants(self) -> bytes:
        """Return the values of hi, lo and scale."""
        return self.hi.tobytes() + self.lo.tobytes() + self.scale.tobytes()


class MemoryViews:
    """Views of the buffers that a layer used last.

    Creating a view takes a microsecond, comparing an address a tenth of that. A view keeps its
    memory alive, so another tensor cannot have the address of a buffer that was replaced.
    """

    def __init__(self) -> None:
        self._last: tuple[StateTensors, tuple[int, ...], Memory | None] | None = None

    def of(self, tensors: StateTensors) -> Memory | None:
        """Return views of buffers on the CPU; None if they are elsewhere, or not float64."""
        hi, lo, scale, exact = tensors
        addresses = hi.data_ptr(), lo.data_ptr(), scale.data_ptr(), exact.data_ptr()
        last = self._last  # read once: other threads may use the layer
        if last is not None:
            known, own, memory = last
            is_same = hi is known.hi and lo is known.lo and scale is known.scale
            if is_same and exact is known.exact and addresses == own:
                return memory
        memory = _view(tensors)
        self._last = tensors, addresses, memory
        return memory

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()  # a copy of the layer has other buffers


def _view(tensors: StateTensors) -> Memory | None:
    hi, lo, scale, exact = tensors
    if not all(x.is_cpu and x.is_contiguous() for x in tensors):
        return None
    if not hi.dtype is lo.dtype is scale.dtype is torch.float64 or exact.dtype is not torch.uint8:
        return None
    return Memory(as_numpy(hi), as_numpy(lo), as_numpy(scale), as_numpy(exact).data)


def warn_about_limits(scaling: Scaling, moments: Moments) -> None:
    """Warn about features near the limits of float64, which the buffers cannot normalize."""
    if scaling.power is None:
        return
    hi, _, factor = (part.numpy() for part in scaling_tensors(scaling))
    is_clamped = factor == np.finfo(np.float64).max
    with np.errstate(over="ignore", invalid="ignore"):
        overflows = np.isinf(moments.max - hi) | np.isinf(hi - moments.min)
    if scaling.inverse:
        checks = [(is_clamped, "values farther than 2**1024 from the center are infinite")]
    else:
        checks = [
            (is_clamped, "the output of features whose spread is below 2**-1024 is too small"),
            (overflows, "values farther than 2**1024 from the center become infinite"),
        ]
    for features, text in checks:
        if found := np.flatnonzero(features).tolist():
            warnings.warn(
                f"The buffers of a layer are float64: {text}. Received: statistics of "
                f"{format_columns(scaling.columns, found)}. Multiply the data by a power of two "
                "first, or call moments.normalize(x).",
                stacklevel=5,
            )


def scaling_tensors(scaling: Scaling) -> ScalingTensors:
    """Return hi, lo and factor as tensors that include the power of two.

    The inverse of a standard deviation below 2**-1024 overflows float64; it is clamped to the
    largest float64, and `warn_about_limits` says so.
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
    """Write bytes to the start of a tensor of bytes, on any device."""
    into[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)


def apply_move(fn: Callable[[Tensor], Tensor], buffer: Tensor) -> Tensor:
    """Apply ``fn`` to a buffer viewed as integers: moves change its device, casts leave it."""
    is_float64 = buffer.dtype == torch.float64
    bits = buffer.view(torch.int64) if is_float64 else buffer
    result = fn(bits)
    if result.dtype != bits.dtype:  # .type(...) converts integers too
        result = bits.to(result.device)
    if not is_float64:
        return result
    values = result.view(torch.float64)
    return values.to(work_dtype(values.device))
