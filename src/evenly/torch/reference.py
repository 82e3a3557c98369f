"""Batch normalisation in plain torch operations: any device, any derivative, any transform.

What the kernels compute, said again in operations that torch can differentiate (twice,
forwards and backwards), map, trace, compile and export. Statistics are taken in float64.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Statistics(NamedTuple):
    """Mean and (biased) variance of each channel, and how many values each has."""

    mean: Tensor
    variance: Tensor
    num_values: int | Tensor


def work_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of statistics: float64, or float32 where the device has no other."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def along_channels(values: Tensor, x: Tensor) -> Tensor:
    """Return one value a channel so that it broadcasts over ``x``."""
    return values.view(1, -1, *[1] * (x.ndim - 2))


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, mask: Tensor | None = None
) -> tuple[Tensor, Statistics]:
    """Return ``(x - mean) / sqrt(variance + eps) * weight + bias`` and the batch's statistics.

    Parameters
    ----------
    x
        Shape (N, C, *), of a floating dtype.
    weight, bias
        Shape (C,), or None.
    mask
        Boolean, broadcastable to ``x``, the same for all channels: which values count. The
        others come out as 0 and get no gradient, whatever they are.
    """
    centred, pivot, mean, variance, count = center(x, mask)
    y = affine(centred, (variance + eps).rsqrt(), weight, bias, mask)
    return y.to(x.dtype), Statistics((pivot + mean).detach(), variance.detach(), count)


def center(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, int | Tensor]:
    """Return the values less their mean; that mean as pivot + rest; variance; count.

    Values are shifted by one of their own, the pivot, before they are summed, so that a
    constant channel is exactly 0, and an offset costs no digits (Chan, Golub and LeVeque,
    *The American Statistician* 37 (1983), section 2).
    """
    axes = [0, *range(2, x.ndim)]
    wide = x.to(work_dtype(x))
    pivot = _pivot(wide.detach(), axes, mask)
    shifted = wide - along_channels(pivot, x)
    count: int | Tensor
    if mask is None:
        count = x.numel() // x.shape[1]
    else:
        shifted = torch.where(mask, shifted, 0.0)
        count = mask.expand(x.shape[0], 1, *x.shape[2:]).sum(dtype=wide.dtype)
    divisor = count if mask is None else count.clamp(min=1)  # all padding: 0 everywhere
    mean = shifted.sum(axes) / divisor
    centred = shifted - along_channels(mean, x)
    if mask is not None:
        centred = torch.where(mask, centred, 0.0)
    variance = (centred * centred).sum(axes) / divisor
    return centred, pivot, mean, variance, count


def _pivot(wide: Tensor, axes: list[int], mask: Tensor | None) -> Tensor:
    """Return a value of each channel: the first, or the smallest of those that count."""
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
    """Return ``(x - mean) / sqrt(variance + eps) * weight + bias`` for given statistics.

    The mean is subtracted first, in float32 or better: ``x * a + b``, which saves an
    operation, loses all digits at large offsets.
    """
    work = torch.promote_types(x.dtype, torch.float32)
    inverse = (variance.to(work_dtype(x)) + eps).rsqrt()
    centred = x.to(work) - along_channels(mean.to(work), x)
    return affine(centred, inverse, weight, bias, mask).to(x.dtype)


def affine(
    centred: Tensor,
    inverse: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Return ``centred * inverse * weight + bias``, and 0 for padding."""
    scale = inverse if weight is None else inverse * weight
    y = centred * along_channels(scale.to(centred.dtype), centred)
    if bias is not None:
        y = y + along_channels(bias.to(centred.dtype), centred)
    return y if mask is None else torch.where(mask, y, 0.0)
