"""PyTorch layers for batch normalization on CPUs and input normalization."""

from evenly.extras import require as _require

_require("torch", extra="torch", feature="evenly.torch")

from evenly.torch import functional as functional
from evenly.torch.allocator import empty_cache as empty_cache
from evenly.torch.batch_norm import BatchNorm1d as BatchNorm1d
from evenly.torch.batch_norm import BatchNorm2d as BatchNorm2d
from evenly.torch.batch_norm import BatchNorm3d as BatchNorm3d
from evenly.torch.conversion_report import ConversionReport as ConversionReport
from evenly.torch.convert import convert as convert
from evenly.torch.drift_monitor import DriftMonitor as DriftMonitor
from evenly.torch.gather import gather as gather
from evenly.torch.lazy import LazyBatchNorm1d as LazyBatchNorm1d
from evenly.torch.lazy import LazyBatchNorm2d as LazyBatchNorm2d
from evenly.torch.lazy import LazyBatchNorm3d as LazyBatchNorm3d
from evenly.torch.normalize import Denormalize as Denormalize
from evenly.torch.normalize import Normalize as Normalize
from evenly.torch.sync import SyncBatchNorm as SyncBatchNorm
