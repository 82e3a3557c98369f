"""Batch normalization in torch operations, for any device and transform.

It computes the same as the kernels, in operations that torch can differentiate (twice, in
forward and reverse mode), map, trace, compile and export. Statistics are computed in float64.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from evenly.transform.device_tensors import work_dtype


class Statistics(NamedTuple):
    """Mean, biased variance and number of values of each channel."""

    mean: Tensor
    variance: Tensor
    num_values: int | Tensor


def along_channels(values: Tensor, x: Tensor) -> Tensor:
    """Reshape one value per channel so that it broadcasts over ``x``."""
    return values.view(1, -1, *[1] * (x.ndim - 2))


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, mask: Tensor | None = None
) -> tuple[Tensor, Statistics]:
    """Normalize a batch with its own statistics, and return both.

    The result is ``(x - mean) / sqrt(variance + eps) * weight + bias``.

    Parameters
    ----------
    x
        Shape (N, C, *), of a floating dtype.
    weight, bias
        Shape (C,), or None.
    mask
        Boolean, broadcastable to ``x``, the same for all channels: True where a value counts.
        Other values, even NaN, become 0 and have no gradient.
    """
    centered, pivot, mean, variance, count = center(x, mask)
    y = affine(centered, (variance + eps).rsqrt(), weight, bias, mask)
    return y.to(x.dtype), Statistics((pivot + mean).detach(), variance.detach(), count)


def center(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, int | Tensor]:
    """Subtract the mean of each channel; return the result and the statistics.

    A value of each channel, the pivot, is subtracted before summation, so a constant channel
    becomes exactly 0, and an offset costs no precision (Chan, Golub and LeVeque,
    *The American Statistician* 37 (1983), section 2).

    Returns
    -------
    centered
        The values minus the mean, of the shape of ``x``; 0 for padding.
    pivot, mean, variance
        Shape (C,): the value that was subtracted first, the mean minus that value, and the biased
        variance.
    count
        The number of values per channel; a tensor with a mask.
    """
    axes = [0, *range(2, x.ndim)]
    wide = x.to(work_dtype(x.device))
    pivot = _pivot(wide.detach(), axes, mask)
    shifted = wide - along_channels(pivot, x)
    count: int | Tensor
    if mask is None:
        count = x.numel() // x.shape[1]
    else:
        shifted = torch.where(mask, shifted, 0.0)
        count = mask.expand(x.shape[0], 1, *x.shape[2:]).sum(dtype=wide.dtype)
    divisor = count if mask is None else count.clamp(min=1)  # 0 if all is padding
    mean = shifted.sum(axes) / divisor
    centered = shifted - along_channels(mean, x)
    if mask is not None:
        centered = torch.where(mask, centered, 0.0)
    variance = (centered * centered).sum(axes) / divisor
    return centered, pivot, mean, variance, count


def _pivot(wide: Tensor, axes: list[int], mask: Tensor | None) -> Tensor:
    """Return a value of each channel: the first, or with a mask the smallest."""
    if mask is None:
        return wide[(slice(0, 1), slice(None), *[slice(0, 1)] * (wide.ndim - 2))].reshape(-1)
    smallest = torch.where(mask, wide, torch.inf).amin(axes)
    return torch.where(smallest == torch.inf, 0.0, smallest)


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Normalize with given statistics.

    The mean is subtracted first, in float32 or better: ``x * a + b`` would save an operation,
    but lose all digits at large offsets. A compiler fuses the scale into the loop over the values,
    where float64 would take several times as long as torch's layer; so a compiled graph computes
    it in float32. Then it has four roundings, together at most 2 ulp, instead of one.
    """
    compute_dtype = torch.promote_types(x.dtype, torch.float32)
    scale_dtype = compute_dtype if torch.compiler.is_compiling() else work_dtype(x.device)
    inverse = (variance.to(scale_dtype) + eps).rsqrt()
    centered = x.to(compute_dtype) - along_channels(mean.to(compute_dtype), x)
    return affine(centered, inverse, weight, bias, mask).to(x.dtype)


def affine(
    centered: Tensor,
    inverse: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Return ``centered * inverse * weight + bias``, and 0 for padding."""
    scale = inverse if weight is None else inverse * weight
    y = centered * along_channels(scale.to(centered.dtype), centered)
    if bias is not None:
        y = y + along_channels(bias.to(centered.dtype), centered)
    return y if mask is None else torch.where(mask, y, 0.0)
