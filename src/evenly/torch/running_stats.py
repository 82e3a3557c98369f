"""How running statistics move: by momentum, by whole batches, once an optimiser step."""

import math
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from evenly import _core
from evenly.torch import functorch
from evenly.torch.native import BatchStatistics
from evenly.torch.reference import Statistics


def update_running_stats(
    mean: Tensor,
    variance: Tensor,
    tracked: Tensor | None,
    batch: Statistics | BatchStatistics,
    momentum: float | None,
    skipped: Tensor | None = None,
) -> None:
    """Move the running mean and variance towards those of a batch, in place.

    ``running = running + momentum * (batch - running)``, in float64, rounded once; the
    batch's variance is the unbiased one, with n - 1 (Ioffe and Szegedy 2015, algorithm 2).

    Parameters
    ----------
    mean, variance, tracked
        The running statistics, and how many batches they have seen.
    momentum
        The weight of the new batch; None: 1 / ``tracked``, so that all batches weigh the same.
    skipped
        With a counter, a batch whose statistics are not finite in the dtype of the running
        ones only moves that counter.
    """
    if isinstance(batch, BatchStatistics):
        weight = math.nan if momentum is None else momentum  # NaN: 1 / tracked
        skip = skipped is not None
        moved = _core.batch_norm_move(
            batch.saved, batch.num_values, weight, skip, mean, variance, tracked
        )
        if skipped is not None and not moved:
            skipped.add_(1)
        return
    if functorch.is_outside_transforms(mean):
        batch = functorch.statistics(batch)
        with functorch.without_transforms():
            update_running_stats(mean, variance, tracked, batch, momentum, skipped)
        return
    work = batch.mean.dtype
    unbiased = batch.variance * (batch.num_values / (batch.num_values - 1))
    fine = None
    if isinstance(batch.num_values, Tensor):
        fine = batch.num_values > 1
    if skipped is not None:
        finite = torch.isfinite(batch.mean.to(mean.dtype)).all()
        finite = finite & torch.isfinite(unbiased.to(variance.dtype)).all()
        skipped.add_((~finite).to(skipped.dtype))
        fine = finite if fine is None else fine & finite
    if tracked is not None:
        tracked.add_(1 if fine is None else fine.to(tracked.dtype))
    factor: Any = momentum
    if momentum is None:
        factor = 0.0 if tracked is None else 1.0 / tracked.to(work)
    for running, new in ((mean, batch.mean), (variance, unbiased)):
        wide = running.to(work)
        moved = wide + factor * (new - wide)
        running.copy_(moved if fine is None else torch.where(fine, moved, wide))


def is_recomputing() -> bool:
    """Whether a backward pass is running on this thread.

    A forward pass within it is activation checkpointing's second one of the same batch. (A
    compiled graph moves buffers in its first one only.)
    """
    return not is_compiling() and bool(torch._C._current_graph_task_id() != -1)


class AccumulatedStatistics:
    """The statistics of all rows since the last optimiser step, in float64."""

    def __init__(self, batch: Statistics | BatchStatistics) -> None:
        self.num_values = batch.num_values
        self.mean = batch.mean.clone()
        self.squares = batch.variance * batch.num_values

    def add(self, batch: Statistics | BatchStatistics) -> None:
        """Add a batch: the pairwise update of Chan, Golub and LeVeque (1983), section 3."""
        total = self.num_values + batch.num_values
        apart = batch.mean - self.mean
        self.mean = self.mean + apart * (batch.num_values / total)
        between = apart * apart * (self.num_values * (batch.num_values / total))
        self.squares = self.squares + batch.variance * batch.num_values + between
        self.num_values = total

    @property
    def statistics(self) -> Statistics:
        """The mean and variance of them all."""
        return Statistics(self.mean, self.squares / self.num_values, self.num_values)


_layers: "weakref.WeakSet[Any]" = weakref.WeakSet()
_hooks: list[Any] = []


def register_step_hook(layer: Any) -> None:
    """Have ``layer.after_step()`` called whenever an optimiser that is the layer's has stepped.

    That is one that holds a parameter of the layer; any, when the layer trains none.
    """
    if not _hooks:
        _hooks.append(register_optimizer_step_post_hook(_stepped))
    _layers.add(layer)


def unregister_step_hook(layer: Any) -> None:
    """End `register_step_hook`."""
    _layers.discard(layer)


def _stepped(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for layer in list(_layers):
        own = [id(p) for p in layer.parameters(recurse=False) if p.requires_grad]
        if not own or held.intersection(own):
            layer.after_step()
