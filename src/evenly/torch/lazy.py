"""Batch norms that take their number of channels from the first batch."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _LazyNormBase
from torch.types import Device

from evenly.errors import DataError
from evenly.torch import fx_tracing
from evenly.torch.batch_norm import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from evenly.typing import NonFinite, SingleValue, StatsUpdate


class LazyBatchNorm(BatchNorm):
    """Base class of the lazy layers, whose constructor has no ``num_features``."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        virtual_batch_size: int | None = None,
        non_finite: NonFinite = "propagate",
        single: SingleValue = "error",
        update: StatsUpdate = "forward",
        exact: bool = False,
    ) -> None:
        _LazyNormBase.__init__(
            self, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        choices = {"non_finite": non_finite, "single": single, "update": update}
        self._set_options(virtual_batch_size, exact=exact, **choices)

    def initialize_parameters(
        self, input: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> None:
        """Set the number of channels from the input, ``input.shape[1]``; a mask is ignored.

        Raises
        ------
        DataError
            For a proxy of `torch.fx`, which has no shape.
        """
        if fx_tracing.is_proxy(input):
            raise DataError(
                "A lazy layer needs the number of channels of a batch. Received: a torch.fx proxy, "
                "which has no shape. Call the model with one batch before tracing it."
            )
        super().initialize_parameters(input)


class LazyBatchNorm1d(LazyBatchNorm, nn.LazyBatchNorm1d):
    """Become a `BatchNorm1d` with ``num_features`` from the first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(LazyBatchNorm, nn.LazyBatchNorm2d):
    """Become a `BatchNorm2d` with ``num_features`` from the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(LazyBatchNorm, nn.LazyBatchNorm3d):
    """Become a `BatchNorm3d` with ``num_features`` from the first input."""

    cls_to_become = BatchNorm3d
