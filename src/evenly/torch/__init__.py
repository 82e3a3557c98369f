"""PyTorch layers for batch normalization on CPUs and input normalization.

The batch normalization layers are imported with the package; the others, which need the statistics
of data, are imported on first use.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evenly.extras import require as _require
from evenly.public_names import SUBPACKAGES, TORCH_MODULES

_require("torch", extra="torch", feature="evenly.torch")

if TYPE_CHECKING:
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

__all__ = list(SUBPACKAGES["torch"])


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    module = import_module(f"{__name__}.{TORCH_MODULES.get(name, name)}")
    found = getattr(module, name) if name in TORCH_MODULES else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; the import of a submodule does not replace a function of its name."""
        if not (name in TORCH_MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

# Saved graphs need the operators of the batch norms, and `torch.ao.quantization.fuse_modules` their
# classes, in a process that uses no other name of this package.
import_module(f"{__name__}.convert")
