"""Batch normalization of small batches in compiled graphs, in operations that the compiler fuses.

Inductor makes one loop over the batch for the sums, one for the sums of squares, and one for the
result. Numbers per channel are stored: the compiler would repeat their square roots and divisions
in float64 for every value, which took most of the time. The gradient is written out, because the
derivatives of the single operations would need more loops.
"""

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx
from torch.compiler import is_compiling, is_dynamo_compiling

from evenly.torch.reference import Statistics, along_channels

_DTYPES = torch.float32, torch.bfloat16, torch.float16


def supports(x: Tensor) -> bool:
    """Return whether to use these operations, while the compiler runs code to record operations.

    Not for float64 input: its mean, rounded to float64, is not exact enough at large offsets.
    """
    if not is_compiling() or is_dynamo_compiling() or forward_ad._current_level >= 0:
        return False
    return x.is_cpu and x.dtype in _DTYPES


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """Normalize a batch with its own statistics, and return both."""
    y, mean, variance = _BatchNorm.apply(x, weight, bias, eps)
    return y, Statistics(mean, variance, x.numel() // x.shape[1])


class _BatchNorm(torch.autograd.Function):
    """Return the normalized batch, and the mean and variance of each channel."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        axes, count = _axes(x), x.numel() // x.shape[1]
        wide = x.double()
        pivot = wide[(slice(0, 1), slice(None), *[slice(0, 1)] * (x.ndim - 2))].reshape(-1)
        # A constant channel becomes 0 exactly: its mean is its first value.
        mean = _store(pivot + (wide - along_channels(pivot, x)).sum(axes) / count)
        centered = wide - along_channels(mean, x)
        variance = centered.square().sum(axes) / count
        inverse = _store((variance + eps).rsqrt())
        y = centered * along_channels(_gain(inverse, weight), x)
        if bias is not None:
            y = y + along_channels(bias, x)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return y.to(x.dtype), mean, variance

    @staticmethod
    def backward(
        ctx: FunctionCtx, gradient: Tensor | None, *_: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Differentiate (Ioffe and Szegedy 2015, section 3)."""
        if gradient is None:
            return None, None, None, None
        x, weight, mean, inverse = ctx.saved_tensors
        axes, count = _axes(x), x.numel() // x.shape[1]
        gradient = gradient.float()
        centered = (x.double() - along_channels(mean, x)).float()
        total = gradient.sum(axes, dtype=torch.float64)
        product = (gradient * centered).sum(axes, dtype=torch.float64)
        offset = _store((total / count).float())
        slope = _store((product * inverse * inverse / count).float())
        gain = _store(_gain(inverse, weight).float())
        for_x = gradient - along_channels(offset, x) - centered * along_channels(slope, x)
        for_x = for_x * along_channels(gain, x)
        return (
            for_x.to(x.dtype),
            None if weight is None else (product * inverse).to(weight.dtype),
            None if ctx.bias_dtype is None else total.to(ctx.bias_dtype),
            None,
        )


def _axes(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _gain(inverse: Tensor, weight: Tensor | None) -> Tensor:
    return inverse if weight is None else _store(inverse * weight)


def _store(values: Tensor) -> Tensor:
    """Return the same values, which Inductor computes once, because it stores strided views."""
    return values.as_strided(values.shape, (1,))
