"""The steps of a distributed batch norm, with collectives between them.

Each step runs in one of three ways, which `choose_path` returns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from evenly import _core
from evenly.torch import distributed_operators, fused, native, reference
from evenly.torch.native import BatchStatistics, as_tensor
from evenly.torch.reference import Statistics, along_channels
from evenly.transform.device_tensors import work_dtype

Path = Literal["kernels", "operators", "operations"]
"""The core's kernels on CPUs; torch's operators on accelerators; operations in float64 for masks
and for what neither supports."""


def choose_path(x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None) -> Path:
    """Return how to compute the steps of a batch."""
    if mask is not None:
        return "operations"
    if native.supports(x, weight, bias):
        return "kernels"
    return "operators" if fused.supports(x) else "operations"


@dataclass(frozen=True)
class GlobalStatistics:
    """Statistics of a batch that is distributed over several ranks.

    Attributes
    ----------
    high, low
        The mean of each channel as a sum of two numbers, which is precise at large offsets.
    variance, inverse
        The biased variance, and 1 / sqrt(variance + eps).
    num_values
        The number of values per channel.
    dtype
        The dtype of the values.
    eps
        Added to the variance.
    """

    high: Tensor
    low: Tensor
    variance: Tensor
    inverse: Tensor
    num_values: int
    dtype: torch.dtype
    eps: float

    @cached_property
    def saved(self) -> bytearray:
        """The statistics in the kernels' format; high is rounded to their compute dtype."""
        compute_dtype = torch.promote_types(self.dtype, torch.float32)
        high = (self.high + self.low).to(compute_dtype).to(torch.float64)
        low = (self.high - high) + self.low
        return bytearray(torch.stack([high, low, self.variance, self.inverse]).numpy())

    @property
    def statistics(self) -> Statistics:
        """The statistics for the update of the running statistics."""
        return Statistics(self.high + self.low, self.variance, self.num_values)


def local_statistics(x: Tensor, mask: Tensor | None, path: Path) -> Tensor:
    """Return this rank's statistics as one row of numbers.

    They are the numbers of values per channel without and with padding; then, for all channels,
    the high parts of the means, the low parts, and the sums of squared deviations.
    """
    channels = x.shape[1]
    row = torch.zeros(2 + 3 * channels, dtype=work_dtype(x.device), device=x.device)
    if x.numel() == 0:
        return row
    row[:2] = x.numel() // channels
    high, low, squares = row[2:].view(3, channels)
    if path == "kernels":
        batch = BatchStatistics(x)
        _core.batch_norm(_core.dense(x), None, None, 0.0, batch.saved, False)
        high[:], low[:], squares[:], _ = as_tensor(batch.saved)
    elif path == "operators":
        high[:], squares[:] = distributed_operators.mean_and_variance(x)
    else:
        _, high[:], low[:], squares[:], row[0] = reference.center(x, mask)
    squares *= row[0]
    return row


def normalize(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    batch: GlobalStatistics,
    path: Path,
) -> Tensor:
    """Return ``(x - mean) * inverse * weight + bias``."""
    if path == "operators":
        mean = batch.high + batch.low
        return distributed_operators.normalize(x, mean, batch.variance, weight, bias, batch.eps)
    if path == "operations":
        centered = center(x, mask, batch)
        return reference.affine(centered, batch.inverse, weight, bias, mask).to(x.dtype)
    return _core.batch_norm_apply(_core.dense(x), weight, bias, batch.saved)


def gradient_sums(
    x: Tensor, gradient: Tensor, mask: Tensor | None, batch: GlobalStatistics, path: Path
) -> Tensor:
    """Return the sums of gradient and gradient * (x - mean) per channel: shape (2, C)."""
    if path == "operators":
        return distributed_operators.gradient_sums(x, gradient, batch.high + batch.low)
    if path == "operations":
        wide, axes = _apply_mask(gradient.to(work_dtype(x.device)), mask), [0, *range(2, x.ndim)]
        return torch.stack([wide.sum(axes), (wide * center(x, mask, batch)).sum(axes)])
    sums = torch.empty(2, x.size(1), dtype=torch.float64)
    _core.batch_norm_gradient_sums(_core.dense(x), gradient, batch.saved, sums)
    return sums


def gradient(
    x: Tensor,
    gradient: Tensor,
    weight: Tensor | None,
    mask: Tensor | None,
    batch: GlobalStatistics,
    sums: Tensor,
    path: Path,
) -> Tensor:
    """Return the gradient of ``x`` from the sums of all ranks' `gradient_sums`.

    ``inverse * weight * (gradient - sum / n - (x - mean) * inverse^2 * product / n)``
    """
    if path != "kernels":
        scale = batch.inverse if weight is None else batch.inverse * weight
        mean, slope = sums[0] / batch.num_values, sums[1] / batch.num_values * batch.inverse**2
    if path == "operators":
        shift = scale * ((batch.high + batch.low) * slope - mean)
        return distributed_operators.gradient(x, gradient, (scale, -scale * slope, shift))
    if path == "operations":
        correction = center(x, mask, batch) * along_channels(slope, x) + along_channels(mean, x)
        result = (gradient.to(correction.dtype) - correction) * along_channels(scale, x)
        return _apply_mask(result, mask).to(x.dtype)
    x = _core.dense(x)
    return _core.batch_norm_gradient(x, gradient, weight, batch.saved, sums, batch.num_values)


def center(x: Tensor, mask: Tensor | None, batch: GlobalStatistics) -> Tensor:
    """Subtract the mean of all ranks; return 0 for padding."""
    shifted = x.to(work_dtype(x.device)) - along_channels(batch.high, x)
    return _apply_mask(shifted - along_channels(batch.low, x), mask)


def _apply_mask(values: Tensor, mask: Tensor | None) -> Tensor:
    return values if mask is None else torch.where(mask, values, 0.0)
