"""`SyncBatchNorm`: batch normalization over all ranks' batches, also on CPUs."""

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.types import Device

from evenly.errors import DataError, format_names
from evenly.torch import distributed, functional, fused, module_class, reference
from evenly.torch.batch_norm import BatchNorm, as_num_channels
from evenly.torch.distributed_steps import choose_path
from evenly.torch.scripting import rename
from evenly.transform import compiler
from evenly.typing import NonFinite, SingleValue, StatsUpdate


class SyncBatchNorm(BatchNorm, nn.SyncBatchNorm):
    """Apply batch normalization over all ranks, as ``torch.nn.SyncBatchNorm``.

    It works like `BatchNorm1d`, for inputs ``(N, C, *)``, with the mean and the variance of the
    rows of all ranks. Outputs, running statistics and gradients are those of one process with the
    whole batch, however its rows are distributed; a rank may have no rows, and each may have a
    mask. The gradient of the input is that of the sum of all ranks' losses. Those of ``weight``
    and ``bias`` are this rank's terms, whose sum over the ranks is the gradient for the whole
    batch, as in torch and as DistributedDataParallel expects.

    The constructor, buffers and ``state_dict`` are those of torch's layer, which rejects CPUs;
    this layer runs wherever ``torch.distributed`` does (tested with gloo on CPUs; no GPU was
    measured). In evaluation, without an initialized process group, and in a group of one rank,
    it works like `BatchNorm1d`.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, process_group, device, dtype, bias
        As in torch. ``process_group=None`` means all ranks.
    non_finite, single, update, exact
        As in `BatchNorm1d`, applied to the batch of all ranks. There is no
        ``virtual_batch_size``, which is the opposite of this layer.

        On accelerators the layer computes in float32, as torch's; with ``exact``, a value of each
        channel is subtracted on each rank first, so that it is correct at any offset.

    Raises
    ------
    DataError
        (a ValueError) On every rank, if all ranks together have a single value per channel.

    Notes
    -----
    A training step gathers 2 + 3C float64 numbers from each rank in the forward pass, and sums
    2C numbers in the backward pass (none if the input needs no gradient); all ranks must take
    part in both. ``torch.compile`` breaks the graph at the layer. Second derivatives work.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import SyncBatchNorm
    >>> SyncBatchNorm(1)(torch.tensor([[1.0], [1.0]])).tolist()
    [[0.0], [0.0]]
    """

    process_group: Any  # "dist.ProcessGroup | None", which TorchScript cannot evaluate

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: "dist.ProcessGroup | None" = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        non_finite: NonFinite = "propagate",
        single: SingleValue = "error",
        update: StatsUpdate = "forward",
        exact: bool = False,
    ) -> None:
        num_features = as_num_channels(num_features)
        nn.SyncBatchNorm.__init__(
            self, num_features, eps, momentum, affine, track_running_stats, process_group,
            device, dtype, bias=bias,
        )  # fmt: skip
        choices = {"non_finite": non_finite, "single": single, "update": update}
        self._set_options(None, exact=exact, **choices)

    _check_dimensions = rename(nn.SyncBatchNorm._check_input_dim, "_check_dimensions")

    def _check_input_dim(self, input: Tensor) -> None:  # TorchScript compiles it: no super()
        self._check_dimensions(input)
        self._check_non_zero_input_channels(input)

    def _options_in_training(self) -> list[str]:
        return ["synchronization", *super()._options_in_training()]

    def _normalize_with_batch(self, x: Tensor, mask: Tensor | None, key: str) -> Tensor:
        group = self._group() if self.training else None
        return (
            super()._normalize_with_batch(x, mask, key)
            if group is None
            else self._normalize_with_group(x, mask, group)
        )

    def _group(self) -> "dist.ProcessGroup | None":
        """Return the process group, or None if there is no other rank."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        group = self.process_group or dist.group.WORLD
        return group if dist.get_world_size(group) > 1 else None

    @compiler.disable
    def _normalize_with_group(
        self, x: Tensor, mask: Tensor | None, group: "dist.ProcessGroup"
    ) -> Tensor:
        weight, bias = self._affine()
        functional.check_training(x, weight, bias, *self._running_buffers(), self.eps)
        path = choose_path(x, weight, bias, mask)
        given, pivot = x, None
        if self.exact and path == "operators" and x.numel():
            pivot = fused.choose_pivot(x.detach())
            x = x - reference.along_channels(pivot, x)
        batch = distributed.gather_statistics(x, mask, self.eps, path, group, pivot=pivot)
        if isinstance(batch, distributed.EmptyBatch):
            if not batch.padded and self._running_buffers() != (None, None):
                self._update_running_stats(None)
            return _normalize_nothing(x, weight, bias, mask)
        if batch.num_values == 1:
            if self.single == "running" and self.running_mean is not None:
                return self._normalize_with_running_stats(given, mask, "")
            raise functional.single_value_error(
                x, self._single_value_advice(), where=" on this rank, and one value on all ranks"
            )
        own = batch if pivot is None else replace(batch, high=batch.high - pivot)
        context = distributed.Context(own, self.eps, path, group)
        y = distributed.normalize(x, weight, bias, mask, context)
        if self._running_buffers() != (None, None):
            self._update_running_stats(batch.statistics)
        return y

    def _running_buffers(self) -> tuple[Tensor | None, Tensor | None]:
        if not self.track_running_stats:
            return None, None
        return self._buffers["running_mean"], self._buffers["running_var"]

    @classmethod
    def convert_sync_batchnorm(
        cls, module: nn.Module, process_group: "dist.ProcessGroup | None" = None
    ) -> nn.Module:
        """Convert a model's batch norms, torch's and evenly's, in place.

        Parameters, buffers, hooks, mode and evenly's options are kept.

        Parameters
        ----------
        module
            The model, or a single batch norm.
        process_group
            The ranks whose batches are normalized together; None for all ranks.

        Returns
        -------
        nn.Module
            The same model. (torch's method creates new layers, which share the tensors of
            the old ones.)

        Raises
        ------
        DataError
            For layers with ``virtual_batch_size``, before anything is changed.

        Warns
        -----
        UserWarning
            For batch norms of other classes, which are not converted.
        """
        lazy = module_class.LAZY_PAIRS
        plain = [*module_class.PAIRS, *module_class.PAIRS.values(), nn.SyncBatchNorm, cls]
        layers, others = module_class.find_batch_norms(module, {*plain, *lazy, *lazy.values()})
        module_class.warn_about_others(others)
        _reject_virtual_batches(layers)
        for _, layer in layers:
            old = module_class.original_class(layer)
            if old in plain:
                module_class.set_class(layer, cls)
            else:  # a lazy layer changes its class with its first batch
                module_class.set_class(layer, lazy.get(old, old))
                layer.cls_to_become = cls
            layer.process_group = process_group
        return module


def _normalize_nothing(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None
) -> Tensor:
    """Return the result of a rank if no rank has values: 0 for padding."""
    if mask is None or x.numel() == 0:
        return functional.empty_result(x, weight, bias)
    ones = torch.ones(x.shape[1], dtype=x.dtype, device=x.device)
    return reference.affine(torch.where(mask, x, 0.0), ones, weight, bias, mask).to(x.dtype)


def virtual_batch_error(received: str, *, advice: str) -> DataError:
    """Return the error for virtual batches in a synchronized layer."""
    return DataError(
        "A synchronized layer uses the statistics of all ranks, not of virtual batches. "
        f"Received: {received}. {advice}"
    )


def _reject_virtual_batches(layers: module_class.NamedLayers) -> None:
    names = [name for name, layer in layers if getattr(layer, "virtual_batch_size", None)]
    if names:
        raise virtual_batch_error(
            f"layers with virtual_batch_size: {format_names(names)}",
            advice="Set their virtual_batch_size to None first.",
        )


DDP_CHECK = "_passing_sync_batchnorm_handle"
"""The method with which `DistributedDataParallel` checks the layers of a module."""


def _allow_in_ddp(layer_class: type[nn.SyncBatchNorm]) -> None:
    """Make `DistributedDataParallel` on CPUs accept layers of a class.

    It rejects every instance of ``torch.nn.SyncBatchNorm`` on CPUs, because torch's layer cannot
    run there. `SyncBatchNorm` can, and has to be an instance for ``isinstance`` checks of other
    tools. DDP has no option for this, so its check is wrapped: it skips layers of the class.
    torch's own layers, and all other devices, are checked as before. Call it once per class.
    """
    check = getattr(DistributedDataParallel, DDP_CHECK, None)
    if check is None:
        return

    def check_others(self: Any, module: nn.Module) -> None:
        synchronized = [m for m in module.modules() if isinstance(m, nn.SyncBatchNorm)]
        if self.device_type != "cpu" or not all(isinstance(m, layer_class) for m in synchronized):
            check(self, module)

    setattr(DistributedDataParallel, DDP_CHECK, check_others)


_allow_in_ddp(SyncBatchNorm)
