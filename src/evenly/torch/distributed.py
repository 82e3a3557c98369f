"""Batch normalization of a batch whose rows are distributed over several ranks.

It needs one collective in the forward and one in the backward pass. Every branch depends only on
gathered numbers, so all ranks take the same one and none hangs. A rank without rows takes part.
"""

from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx

from evenly.torch import distributed_steps, reference
from evenly.torch.distributed_steps import GlobalStatistics, Path
from evenly.torch.reference import along_channels


class EmptyBatch(NamedTuple):
    """A batch without values on any rank; ``padded`` if some rank has padding."""

    padded: bool


def gather_statistics(
    x: Tensor,
    mask: Tensor | None,
    eps: float,
    path: Path,
    group: "dist.ProcessGroup",
    *,
    pivot: Tensor | None,
) -> GlobalStatistics | EmptyBatch:
    """Return the statistics of the batch of all ranks, bit-identical on each rank.

    Parameters
    ----------
    pivot
        What this rank has subtracted from each channel of its rows.
    """
    with torch.no_grad():
        local = distributed_steps.local_statistics(x, mask, path)
        if pivot is not None:
            local[2 : 2 + len(pivot)] += pivot
        gathered = [torch.empty_like(local) for _ in range(dist.get_world_size(group))]
        dist.all_gather(gathered, local, group=group)
        rows = torch.stack(gathered)
        non_empty = rows[rows[:, 0] > 0]
        return (
            merge_ranks(non_empty, eps, x.dtype)
            if len(non_empty)
            else EmptyBatch(padded=bool(rows[:, 1].any()))
        )


def merge_ranks(rows: Tensor, eps: float, dtype: torch.dtype) -> GlobalStatistics:
    """Merge the `local_statistics` of the ranks.

    Chan, Golub and LeVeque (1983), section 3. Means are taken relative to the first rank's, so
    an offset costs no precision, and a channel that is constant on all ranks has variance 0.
    """
    counts = rows[:, :1]
    high, low, squares = rows[:, 2:].view(len(rows), 3, -1).unbind(1)
    total = counts.sum()
    differences = (high - high[0]) + low
    mean = (counts * differences).sum(0) / total
    deviations = differences - mean
    variance = (squares + counts * deviations * deviations).sum(0) / total
    inverse = (variance + eps).rsqrt()
    return GlobalStatistics(high[0], mean, variance, inverse, int(total), dtype, eps)


class Context(NamedTuple):
    """The arguments of a call other than its tensors."""

    batch: GlobalStatistics
    eps: float
    path: Path
    group: "dist.ProcessGroup"


def normalize(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, context: Context
) -> Tensor:
    """Normalize this rank's rows with the statistics of all ranks.

    The gradient of ``x`` is that of the sum of all ranks' losses. Those of ``weight`` and
    ``bias`` are this rank's terms: their sum over the ranks is the gradient for the whole batch.
    """
    return _Normalize.apply(x, weight, bias, mask, context)


class _Normalize(torch.autograd.Function):
    """Normalize with given statistics; backward includes their dependence on x."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mask: Tensor | None,
        context: Context,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias, mask)
        ctx.context = context
        return distributed_steps.normalize(x, weight, bias, mask, context.batch, context.path)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mask = ctx.saved_tensors
        context: Context = ctx.context
        needs_gradient = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # create_graph=True
            return (
                *_double_backward((x, weight, bias), needs_gradient, mask, gradient, context),
                None,
                None,
            )
        sums = distributed_steps.gradient_sums(x, gradient, mask, context.batch, context.path)
        for_x = None
        if needs_gradient[0]:
            total = sums.clone()
            dist.all_reduce(total, group=context.group)
            for_x = distributed_steps.gradient(
                x, gradient, weight, mask, context.batch, total, context.path
            )
        for_weight = (
            (sums[1] * context.batch.inverse).to(weight.dtype) if needs_gradient[1] else None
        )
        for_bias = sums[0].to(bias.dtype) if needs_gradient[2] else None
        return for_x, for_weight, for_bias, None, None


def _double_backward(
    inputs: tuple[Tensor, Tensor | None, Tensor | None],
    needs_gradient: tuple[bool, ...],
    mask: Tensor | None,
    gradient: Tensor,
    context: Context,
) -> list[Tensor | None]:
    """Return the gradients computed with differentiable operations."""
    y = _differentiable(*inputs, mask, context)
    selected = [x for x, needed in zip(inputs, needs_gradient, strict=True) if needed]
    gradients = iter(torch.autograd.grad(y, selected, gradient, create_graph=True))
    return [next(gradients) if needed else None for needed in needs_gradient]


def _differentiable(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, context: Context
) -> Tensor:
    """Normalize with torch operations, which can be differentiated repeatedly."""
    axes = [0, *range(2, x.ndim)]
    centered = distributed_steps.center(x, mask, context.batch)
    sums = torch.stack([centered.sum(axes), (centered * centered).sum(axes)])
    mean, squares = _AllReduceSum.apply(sums, context.group) / context.batch.num_values
    centered = centered - along_channels(mean, x)
    inverse = (squares - mean * mean + context.eps).rsqrt()
    return reference.affine(centered, inverse, weight, bias, mask).to(x.dtype)


class _AllReduceSum(torch.autograd.Function):
    """Sum over all ranks; its gradient is the sum of all ranks' gradients."""

    @staticmethod
    def forward(ctx: FunctionCtx, local: Tensor, group: "dist.ProcessGroup") -> Tensor:
        ctx.group = group
        total = local.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return _AllReduceSum.apply(gradient.contiguous(), ctx.group), None
