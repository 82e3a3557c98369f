"""`SyncBatchNorm`: batch normalisation over the batches of all ranks, on CPUs too."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from evenly.errors import DataError, format_names
from evenly.torch import ddp, distributed, functional, module_class, native
from evenly.torch.batch_norm import BatchNorm


class SyncBatchNorm(BatchNorm, nn.SyncBatchNorm):
    """Batch normalisation over the batches of all ranks: ``torch.nn.SyncBatchNorm``, and more.

    As `BatchNorm1d`, for inputs (N, C, *), with the mean and the variance of all ranks' rows
    together. Outputs, running statistics and gradients are those of one process that has
    the whole batch, whatever share of it each rank has; a rank may have no rows at all, and
    each may have a mask. The gradient of the input is that of the sum of all ranks' losses.
    Those of ``weight`` and ``bias`` are this rank's share of the whole batch's, which is
    their sum over the ranks: as torch's, and as DistributedDataParallel expects.

    Same constructor, buffers and ``state_dict`` as torch's, which refuses CPUs; this layer runs
    wherever ``torch.distributed`` does (tested with gloo on CPUs; no GPU was measured).
    In evaluation, without an initialised process group, or in a group of one, it is the
    plain layer.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, process_group, device, dtype, bias
        As torch's. ``process_group`` None: all ranks.
    non_finite, single, update
        As in `BatchNorm1d`; what counts is the batch of all ranks. There is no
        ``virtual_batch_size``, which is the contrary of this layer.

    Raises
    ------
    DataError
        (a ValueError) On all ranks alike, when all of them together have one value a channel.

    Notes
    -----
    A training step gathers 2 + 3C float64 numbers of each rank forwards, and sums 2C
    backwards (not at all when the input needs no gradient); all ranks must take part in both.
    ``torch.compile`` leaves the layer out of its graph. Second derivatives work.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import SyncBatchNorm
    >>> SyncBatchNorm(1)(torch.tensor([[1.0], [1.0]])).tolist()
    [[0.0], [0.0]]
    """

    process_group: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        non_finite: str = "propagate",
        single: str = "error",
        update: str = "forward",
    ) -> None:
        nn.SyncBatchNorm.__init__(
            self, num_features, eps, momentum, affine, track_running_stats, process_group,
            device, dtype, bias=bias,
        )  # fmt: skip
        self._set_options(None, non_finite=non_finite, single=single, update=update)

    def _check_input_dim(self, input: Tensor) -> None:
        super()._check_input_dim(input)
        self._check_non_zero_input_channels(input)

    def _normalize_with_batch(self, x: Tensor, mask: Tensor | None) -> Tensor:
        group = self._group() if self.training else None
        return (
            super()._normalize_with_batch(x, mask)
            if group is None
            else self._normalize_with_group(x, mask, group)
        )

    def _group(self) -> Any:
        """Return the process group, or None where there is no other rank."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        group = self.process_group or dist.group.WORLD
        return group if dist.get_world_size(group) > 1 else None

    @torch.compiler.disable
    def _normalize_with_group(self, x: Tensor, mask: Tensor | None, group: Any) -> Tensor:
        weight, bias = self._affine()
        functional.check_training(x, weight, bias, *self._tracked(), self.eps)
        taken = mask is None and native.supports(x, weight, bias)
        batch = distributed.statistics(x, mask, self.eps, taken, group)
        if isinstance(batch, distributed.EmptyBatch):
            if not batch.padded and self._tracked() != (None, None):
                self._move(None)
            return x.clone() if mask is None else torch.where(mask, x, 0.0)
        if batch.num_values == 1:
            if self.single == "running" and self.running_mean is not None:
                return self._by_running(x, mask)
            raise functional.single_value_error(x, " on this rank, and one on all of them")
        call = distributed.Context(batch, self.eps, taken, group)
        y = distributed.normalize(x, weight, bias, mask, call)
        if self._tracked() != (None, None):
            self._move(batch.statistics)
        return y

    def _tracked(self) -> tuple[Tensor | None, Tensor | None]:
        if not self.track_running_stats:
            return None, None
        return self._buffers["running_mean"], self._buffers["running_var"]

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """Make all batch norms of a model, torch's and ours, synchronised ones, in place.

        They keep all that they hold: parameters, buffers, hooks, mode, and the extras of ours.

        Parameters
        ----------
        module
            The model, which may be a batch norm itself.
        process_group
            Whose batches count; None: all ranks'.

        Returns
        -------
        nn.Module
            The model that was given. (torch's makes new layers, which share their tensors
            with the old.)

        Raises
        ------
        DataError
            For layers with ``virtual_batch_size``, before anything is changed.

        Warns
        -----
        UserWarning
            That names batch norms of other people's classes: they are left alone.
        """
        lazy = module_class.LAZY_PAIRS
        plain = [*module_class.PAIRS, *module_class.PAIRS.values(), nn.SyncBatchNorm, cls]
        found = module_class.find_batch_norms(module, {*plain, *lazy, *lazy.values()})
        _refuse_virtual_batches(found)
        for _, layer in found:
            own = module_class.class_of(layer)
            if own in plain:
                module_class.set_class(layer, cls)
            else:  # becomes one with its first batch
                module_class.set_class(layer, lazy.get(own, own))
                layer.cls_to_become = cls
            layer.process_group = process_group
        return module


ddp._allow_in_ddp(SyncBatchNorm)


def _refuse_virtual_batches(layers: module_class.Named) -> None:
    virtual = [name for name, layer in layers if getattr(layer, "virtual_batch_size", None)]
    if virtual:
        raise DataError(
            "A synchronised layer takes the statistics of all ranks, not of virtual batches. "
            f"Received: layers with virtual_batch_size: {format_names(virtual)}. "
            "Set their virtual_batch_size to None first."
        )
