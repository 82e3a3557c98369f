"""Layers that learn their number of channels from the first batch."""

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _LazyNormBase

from evenly.torch.batch_norm import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d


class LazyBatchNorm(BatchNorm):
    """What the lazy layers share: the constructor, without ``num_features``."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        virtual_batch_size: int | None = None,
        non_finite: str = "propagate",
        single: str = "error",
        update: str = "forward",
    ) -> None:
        _LazyNormBase.__init__(
            self, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self._set_options(virtual_batch_size, non_finite=non_finite, single=single, update=update)

    def initialize_parameters(self, input: Tensor, **padding: Tensor | None) -> None:
        """Take the number of channels from the input, with a mask or without."""
        super().initialize_parameters(input)


class LazyBatchNorm1d(LazyBatchNorm, nn.LazyBatchNorm1d):
    """`BatchNorm1d` that takes ``num_features`` from its first input, and becomes one."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(LazyBatchNorm, nn.LazyBatchNorm2d):
    """`BatchNorm2d` that takes ``num_features`` from its first input, and becomes one."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(LazyBatchNorm, nn.LazyBatchNorm3d):
    """`BatchNorm3d` that takes ``num_features`` from its first input, and becomes one."""

    cls_to_become = BatchNorm3d
