"""Update running statistics: per forward pass, batch or optimizer step."""

import math
import weakref
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from evenly import _core
from evenly.torch import functorch
from evenly.torch.native import BatchStatistics
from evenly.torch.reference import Statistics


def update_running_stats(
    mean: Tensor,
    variance: Tensor,
    num_batches: Tensor | None,
    batch: Statistics | BatchStatistics,
    momentum: float | None,
    skipped: Tensor | None = None,
) -> None:
    """Update the running mean and variance with those of a batch, in place.

    ``running = running + momentum * (batch - running)``, in float64, rounded once; the
    batch's variance is the unbiased one, with n - 1 (Ioffe and Szegedy 2015, algorithm 2).

    Parameters
    ----------
    mean, variance, num_batches
        The running statistics, and their number of batches.
    momentum
        The weight of the new batch; None means 1 / ``num_batches``: equal weights.
    skipped
        An optional counter. If given, a batch whose statistics are not finite in the dtype of
        the running statistics only increments it.
    """
    if isinstance(batch, BatchStatistics):
        weight = math.nan if momentum is None else momentum  # NaN: 1 / num_batches
        skip = skipped is not None
        is_updated = _core.batch_norm_move(
            batch.saved, batch.num_values, weight, skip, mean, variance, num_batches
        )
        if skipped is not None and not is_updated:
            skipped.add_(1)
    elif functorch.is_outside_transforms(mean):
        batch = functorch.unwrap_statistics(batch)
        with functorch.without_transforms():
            _update_by_operations(mean, variance, num_batches, batch, momentum, skipped)
    else:
        _update_by_operations(mean, variance, num_batches, batch, momentum, skipped)


def _update_by_operations(
    mean: Tensor,
    variance: Tensor,
    num_batches: Tensor | None,
    batch: Statistics,
    momentum: float | None,
    skipped: Tensor | None,
) -> None:
    """Do the same with PyTorch's operations, which can be compiled and mapped."""
    work = batch.mean.dtype
    unbiased = batch.variance * (batch.num_values / (batch.num_values - 1))
    valid = None  # a scalar tensor, or None if the batch is valid
    if isinstance(batch.num_values, Tensor):
        valid = batch.num_values > 1
    if skipped is not None:
        finite = torch.isfinite(batch.mean.to(mean.dtype)).all()
        finite = finite & torch.isfinite(unbiased.to(variance.dtype)).all()
        skipped.add_((~finite).to(skipped.dtype))
        valid = finite if valid is None else valid & finite
    if num_batches is not None:
        num_batches.add_(1 if valid is None else valid.to(num_batches.dtype))
    factor: float | Tensor = 0.0 if momentum is None else momentum
    if momentum is None and num_batches is not None:
        factor = 1.0 / num_batches.to(work)
    for running, new in ((mean, batch.mean), (variance, unbiased)):
        wide = running.to(work)
        updated = torch.lerp(wide, new, factor)
        running.copy_(updated if valid is None else torch.where(valid, updated, wide))


def is_recomputing() -> bool:
    """Return whether a backward pass is running on this thread.

    A forward pass within it is a recomputation by activation checkpointing. (A compiled graph
    updates buffers only in the first forward pass.)
    """
    return not is_compiling() and bool(torch._C._current_graph_task_id() != -1)


class AccumulatedStatistics:
    """Statistics of all rows since the last optimizer step, in float64."""

    def __init__(self, batch: Statistics | BatchStatistics) -> None:
        self.num_values = batch.num_values
        self.mean = batch.mean.clone()
        self.squares = batch.variance * batch.num_values

    def add(self, batch: Statistics | BatchStatistics) -> None:
        """Add a batch by the pairwise update of Chan, Golub and LeVeque (1983, section 3)."""
        total = self.num_values + batch.num_values
        delta = batch.mean - self.mean
        self.mean = self.mean + delta * (batch.num_values / total)
        between = delta * delta * (self.num_values * (batch.num_values / total))
        self.squares = self.squares + batch.variance * batch.num_values + between
        self.num_values = total

    @property
    def statistics(self) -> Statistics:
        """The mean and variance of all rows."""
        return Statistics(self.mean, self.squares / self.num_values, self.num_values)


class StepLayer(Protocol):
    """A layer that is updated with the steps of its optimizer."""

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        """Iterate over the parameters."""

    def after_step(self) -> None:
        """Update the layer after a step."""


_layers: "weakref.WeakSet[StepLayer]" = weakref.WeakSet()
_hooks: list[RemovableHandle] = []


def register_step_hook(layer: StepLayer) -> None:
    """Call ``layer.after_step()`` after each step of the layer's optimizer.

    That is every optimizer with a trainable parameter of the layer, or any optimizer if the
    layer has no trainable parameters.
    """
    if not _hooks:
        _hooks.append(register_optimizer_step_post_hook(_notify_layers))
    _layers.add(layer)


def unregister_step_hook(layer: StepLayer) -> None:
    """Undo `register_step_hook`."""
    _layers.discard(layer)


def _notify_layers(optimizer: Optimizer, args: object, kwargs: object) -> None:
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for layer in list(_layers):
        trainable = [id(p) for p in layer.parameters(recurse=False) if p.requires_grad]
        if not trainable or optimized.intersection(trainable):
            layer.after_step()
