"""Batch normalization by torch's fused operator, where the core's kernels cannot run.

That is on accelerators, where it moves the fewest bytes: in training it reads a batch twice and
writes it once, and saves the batch alone for the backward pass. The operator computes in float32,
so it loses digits where the mean of a channel is large compared with its standard deviation.
With ``exact``, a value of each channel is subtracted first.
"""

import torch
from torch import Tensor
from torch._C import _len_torch_dispatch_stack
from torch._C._functorch import peek_interpreter_stack
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.nn.functional import batch_norm

from evenly.torch.operators import is_transformed
from evenly.torch.reference import Statistics, along_channels
from evenly.transform.device_tensors import work_dtype

SAMPLE = 4
"""The length of the sample of a batch along each axis but that of the channels."""


def supports(x: Tensor) -> bool:
    """Return whether the operator should normalize a batch that the kernels do not support.

    Transforms of `torch.func` and forward-mode derivatives need single operations. On the CPU,
    the operator is for dispatch modes, which see it as on an accelerator.
    """
    if is_compiling():
        return not x.is_cpu and not is_transformed()
    if peek_interpreter_stack() is not None or forward_ad._current_level >= 0:
        return False
    return not x.is_cpu or _len_torch_dispatch_stack() > 0


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *, exact: bool
) -> tuple[Tensor, Statistics]:
    """Normalize a batch with its own statistics, and return both.

    With a momentum of 1, the operator writes the mean and the unbiased variance of the batch to
    its running statistics.
    """
    wide, count = work_dtype(x.device), x.numel() // x.shape[1]
    dtype = statistics_dtype(x, weight, bias)
    mean = torch.zeros(x.shape[1], dtype=dtype, device=x.device)
    variance = torch.ones_like(mean)
    pivot = choose_pivot(x.detach()) if exact else None
    if pivot is not None:
        x = x - along_channels(pivot, x)
    y = batch_norm(x, mean, variance, weight, bias, training=True, momentum=1.0, eps=eps)
    mean, biased = mean.to(wide), variance.to(wide) * ((count - 1) / count)
    return y, Statistics(mean if pivot is None else mean + pivot, biased, count)


def normalize_and_update(
    x: Tensor,
    running: tuple[Tensor | None, Tensor | None],
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float | None,
    eps: float,
) -> Tensor:
    """Normalize a batch with its own statistics, and update the running ones, if any."""
    momentum = 0.0 if momentum is None else momentum
    return batch_norm(x, *running, weight, bias, training=True, momentum=momentum, eps=eps)


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    *,
    exact: bool,
) -> Tensor:
    """Normalize with given statistics.

    On CUDA the operator subtracts the mean first, so it is as exact as the given mean. So it is
    with half precision, whose values have no more digits than float32 can lose.
    """
    if exact and x.dtype is mean.dtype and x.device.type != "cuda":
        x, mean = x - along_channels(mean, x), torch.zeros_like(mean)
    return batch_norm(x, mean, variance, weight, bias, eps=eps)


def choose_pivot(x: Tensor) -> Tensor:
    """Return the number that is subtracted from each channel: one of its values, or 0.

    It is the smallest value of a sample if the range of the sample is at most half of it, so that
    differences with the sample have no rounding error (Sterbenz, *Floating-Point Computation*,
    1974), and a constant channel becomes exactly 0. Otherwise it is 0, because the mean is not
    large compared with the standard deviation. Whatever is sampled from the n values of a channel,
    what the operator gets is within ``5 * sqrt(n)`` standard deviations of 0.
    """
    part = slice(0, SAMPLE)
    sample = x[(part, slice(None), *[part] * (x.ndim - 2))]
    axes = [0, *range(2, x.ndim)]
    low, high = sample.amin(axes), sample.amax(axes)
    return torch.where((high - low) * 2 <= low.abs(), low, 0.0)


def statistics_dtype(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> torch.dtype:
    """Return the dtype that the operator accepts for statistics: the parameters', or float32."""
    parameter = bias if weight is None else weight
    if parameter is not None:
        return parameter.dtype
    return torch.float64 if x.dtype is torch.float64 else torch.float32
