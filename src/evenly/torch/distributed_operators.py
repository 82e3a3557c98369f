"""The steps of a distributed batch norm by torch's operators, as on accelerators.

They read and write the dtype of the batch, as the operators of torch's own `SyncBatchNorm`, which
exist on CUDA alone. Together they move 1.4 times the bytes of those in the backward pass, and the
same in the forward pass of float32. Like those, they compute in float32: a batch whose channels
have a large offset is shifted before (see `evenly.torch.fused`).
"""

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from evenly.torch import fused
from evenly.torch.reference import along_channels
from evenly.transform.device_tensors import work_dtype


def mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the biased variance of each channel, in float32 or float64.

    The operator ``var_mean`` rounds its results to the dtype of the batch, so batches of half
    precision are normalized, which computes both in float32.
    """
    if x.element_size() >= 4 or x.numel() == x.shape[1]:
        wide = x if x.element_size() >= 4 else x.float()
        variance, mean = torch.var_mean(wide, [0, *range(2, x.ndim)], correction=0)
        return mean, variance
    _, (mean, variance, _) = fused.normalize_batch(x, None, None, 1.0, exact=False)
    return mean, variance


def normalize(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Return ``(x - mean) / sqrt(variance + eps) * weight + bias``."""
    dtype = fused.statistics_dtype(x, weight, bias)
    return batch_norm(x, mean.to(dtype), variance.to(dtype), weight, bias, eps=eps)


def gradient_sums(x: Tensor, gradient: Tensor, mean: Tensor) -> Tensor:
    """Return the sums of gradient and gradient * (x - mean) per channel: shape (2, C).

    They are the gradients of the bias and of the weight for a standard deviation of 1.
    """
    if x.numel() == 0:  # a rank without rows
        return torch.zeros(2, x.shape[1], dtype=work_dtype(x.device), device=x.device)
    dtype = fused.statistics_dtype(x, None, None)
    center, ones = mean.to(dtype), torch.ones_like(mean, dtype=dtype)
    _, product, total = torch.ops.aten.native_batch_norm_backward(
        gradient, x, ones, center, ones, None, None, False, 0.0, [False, True, True]
    )
    return torch.stack([total, product]).to(work_dtype(x.device))


def gradient(x: Tensor, gradient: Tensor, constants: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return ``gradient * gain + x * slope + shift``, with one number per channel of each.

    As in `evenly.transform.device_tensors`, the operators compute in the dtype of the numbers.
    """
    gain, slope, shift = (along_channels(part, x) for part in constants)
    step = torch.float64 if x.dtype is torch.float64 else torch.float32
    part = torch.addcmul(shift, x, slope, out=torch.empty_like(x, dtype=step))
    out = part if step is x.dtype else torch.empty_like(x)
    return torch.addcmul(part, gradient, gain, out=out)
