"""A batch norm's steps one at a time, so that ranks can add up their numbers in between.

Each step runs on the core's kernels where they have ``taken`` the batch (`kernels.take`; never
with a mask), else in plain torch operations.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from evenly import _core
from evenly.torch import reference
from evenly.torch.native import BatchStatistics, as_tensor
from evenly.torch.reference import Statistics, along_channels, work_dtype


@dataclass(frozen=True)
class GlobalStatistics:
    """Statistics of a batch that lies on several ranks.

    Attributes
    ----------
    high, low
        The mean of each channel, as a sum: rounded once, it loses digits at large offsets.
    variance, inverse
        The biased variance, and 1 / sqrt(variance + eps).
    num_values
        How many values each channel has.
    dtype
        Of the values.
    """

    high: Tensor
    low: Tensor
    variance: Tensor
    inverse: Tensor
    num_values: int
    dtype: torch.dtype

    @cached_property
    def saved(self) -> bytearray:
        """The statistics as the kernels keep them: high has the precision of their map."""
        mapped = torch.promote_types(self.dtype, torch.float32)
        high = (self.high + self.low).to(mapped).to(torch.float64)
        low = (self.high - high) + self.low
        return bytearray(torch.stack([high, low, self.variance, self.inverse]).numpy())

    @property
    def statistics(self) -> Statistics:
        """What running statistics take in."""
        return Statistics(self.high + self.low, self.variance, self.num_values)


def statistics(x: Tensor, mask: Tensor | None, taken: bool) -> Tensor:
    """Return this rank's statistics as one row: how many values a channel has, how many with
    padding; then for each channel the mean's high, its low, and the squares about it.
    """  # noqa: D205
    channels = x.shape[1]
    row = torch.zeros(2 + 3 * channels, dtype=work_dtype(x), device=x.device)
    if x.numel() == 0:
        return row
    row[:2] = x.numel() // channels
    high, low, squares = row[2:].view(3, channels)
    if taken:
        kept = BatchStatistics(x)
        _core.batch_norm(_core.dense(x), None, None, 0.0, kept.saved, False)
        high[:], low[:], squares[:], _ = as_tensor(kept.saved)
    else:
        _, high[:], low[:], squares[:], row[0] = reference.center(x, mask)
    squares *= row[0]
    return row


def normalize(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    whole: GlobalStatistics,
    taken: bool,
) -> Tensor:
    """Return ``(x - mean) * inverse * weight + bias``."""
    if not taken:
        centred = centre(x, mask, whole)
        return reference.affine(centred, whole.inverse, weight, bias, mask).to(x.dtype)
    return _core.batch_norm_apply(_core.dense(x), weight, bias, whole.saved)


def gradient_sums(
    x: Tensor, gradient: Tensor, mask: Tensor | None, whole: GlobalStatistics, taken: bool
) -> Tensor:
    """Return each channel's sums of gradient and of gradient * (x - mean), shape (2, C)."""
    if not taken:
        wide, axes = _counting(gradient.to(work_dtype(x)), mask), [0, *range(2, x.ndim)]
        return torch.stack([wide.sum(axes), (wide * centre(x, mask, whole)).sum(axes)])
    sums = torch.empty(2, x.size(1), dtype=torch.float64)
    _core.batch_norm_gradient_sums(_core.dense(x), gradient, whole.saved, sums)
    return sums


def gradient(
    x: Tensor,
    gradient: Tensor,
    weight: Tensor | None,
    mask: Tensor | None,
    whole: GlobalStatistics,
    sums: Tensor,
    taken: bool,
) -> Tensor:
    """Return the gradient of ``x`` from the `gradient_sums` of all ranks together::

    inverse * weight * (gradient - sum / n - (x - mean) * inverse^2 * product / n)
    """
    if not taken:
        scale = whole.inverse if weight is None else whole.inverse * weight
        mean, slope = sums[0] / whole.num_values, sums[1] / whole.num_values * whole.inverse**2
        rest = centre(x, mask, whole) * along_channels(slope, x) + along_channels(mean, x)
        own = (gradient.to(rest.dtype) - rest) * along_channels(scale, x)
        return _counting(own, mask).to(x.dtype)
    x = _core.dense(x)
    return _core.batch_norm_gradient(x, gradient, weight, whole.saved, sums, whole.num_values)


def centre(x: Tensor, mask: Tensor | None, whole: GlobalStatistics) -> Tensor:
    """Return the values less the mean of all ranks, and 0 for padding."""
    shifted = x.to(work_dtype(x)) - along_channels(whole.high, x)
    return _counting(shifted - along_channels(whole.low, x), mask)


def _counting(values: Tensor, mask: Tensor | None) -> Tensor:
    return values if mask is None else torch.where(mask, values, 0.0)
