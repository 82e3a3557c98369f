"""Batch normalisation of a batch that lies on several ranks, each with its own rows.

One collective forwards, one backwards, and every decision is taken from gathered numbers: on
all ranks alike, so that none waits for another in vain. A rank without rows takes part.
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from evenly.torch import distributed_steps, reference
from evenly.torch.distributed_steps import GlobalStatistics
from evenly.torch.reference import along_channels


class EmptyBatch(NamedTuple):
    """The batch has no value on any rank; ``padded``: it has padding on some."""

    padded: bool


def statistics(
    x: Tensor, mask: Tensor | None, eps: float, taken: bool, group: Any
) -> GlobalStatistics | EmptyBatch:
    """Return the statistics of all ranks' batches together: the same bits on each of them."""
    with torch.no_grad():
        own = distributed_steps.statistics(x, mask, taken)
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, own, group=group)
        rows = torch.stack(parts)
        filled = rows[rows[:, 0] > 0]
        return (
            merge_ranks(filled, eps, x.dtype)
            if len(filled)
            else EmptyBatch(padded=bool(rows[:, 1].any()))
        )


def merge_ranks(rows: Tensor, eps: float, dtype: torch.dtype) -> GlobalStatistics:
    """Add up the ranks' `steps.statistics`: Chan, Golub and LeVeque (1983), section 3.

    Means are compared with the first one, so that an offset costs no digits, and a channel
    that is constant on all ranks has variance 0.
    """
    counts = rows[:, :1]
    high, low, squares = rows[:, 2:].view(len(rows), 3, -1).unbind(1)
    number = counts.sum()
    apart = (high - high[0]) + low
    mean = (counts * apart).sum(0) / number
    between = apart - mean
    variance = (squares + counts * between * between).sum(0) / number
    inverse = (variance + eps).rsqrt()
    return GlobalStatistics(high[0], mean, variance, inverse, int(number), dtype)


class Context(NamedTuple):
    """What a call needs beside its tensors."""

    whole: GlobalStatistics
    eps: float
    taken: bool
    group: Any


def normalize(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, call: Context
) -> Tensor:
    """Normalise this rank's rows with the statistics of all ranks.

    The gradient of ``x`` is that of the sum of all ranks' losses; those of ``weight`` and
    ``bias`` are this rank's share of it: their sum over the ranks is the whole batch's.
    """
    return _Normalize.apply(x, weight, bias, mask, call)


class _Normalize(torch.autograd.Function):
    """The statistics are given, and depend on x all the same: backward knows how."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mask: Tensor | None,
        call: Context,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias, mask)
        ctx.call = call
        return distributed_steps.normalize(x, weight, bias, mask, call.whole, call.taken)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight, bias, mask = ctx.saved_tensors
        call: Context = ctx.call
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # create_graph=True
            return *_double_backward((x, weight, bias), wanted, mask, gradient, call), None, None
        own = distributed_steps.gradient_sums(x, gradient, mask, call.whole, call.taken)
        for_x = None
        if wanted[0]:
            total = own.clone()
            dist.all_reduce(total, group=call.group)
            for_x = distributed_steps.gradient(
                x, gradient, weight, mask, call.whole, total, call.taken
            )
        for_weight = (own[1] * call.whole.inverse).to(weight.dtype) if wanted[1] else None
        for_bias = own[0].to(bias.dtype) if wanted[2] else None
        return for_x, for_weight, for_bias, None, None


def _double_backward(
    inputs: tuple[Tensor, Tensor | None, Tensor | None],
    wanted: tuple[bool, ...],
    mask: Tensor | None,
    gradient: Tensor,
    call: Context,
) -> list[Tensor | None]:
    """Return the gradients in operations that can be differentiated once more."""
    y = _differentiable(*inputs, mask, call)
    parts = [part for part, ok in zip(inputs, wanted, strict=True) if ok]
    found = iter(torch.autograd.grad(y, parts, gradient, create_graph=True))
    return [next(found) if ok else None for ok in wanted]


def _differentiable(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, call: Context
) -> Tensor:
    """Normalise in operations all of whose derivatives torch knows."""
    axes = [0, *range(2, x.ndim)]
    centred = distributed_steps.centre(x, mask, call.whole)
    sums = torch.stack([centred.sum(axes), (centred * centred).sum(axes)])
    mean, squares = _AllReduceSum.apply(sums, call.group) / call.whole.num_values
    centred = centred - along_channels(mean, x)
    inverse = (squares - mean * mean + call.eps).rsqrt()
    return reference.affine(centred, inverse, weight, bias, mask).to(x.dtype)


class _AllReduceSum(torch.autograd.Function):
    """The sum over all ranks; its gradient is the sum of all ranks' gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = own.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _AllReduceSum.apply(gradient.contiguous(), ctx.group), None
