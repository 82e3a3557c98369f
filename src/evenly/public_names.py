"""Public names of `evenly`: the module of each, and the error for a name that is elsewhere."""

from importlib import import_module

TYPE_CHECKING = False  # see evenly/__init__.py
if TYPE_CHECKING:
    from typing import Any

_ERRORS = "Evenly Data Column Source StatisticsFile UnsupportedType MissingExtra"

MODULES = {
    **dict.fromkeys(("Moments", "GroupedMoments", "MomentsByKey", "load", "merge"), "moments"),
    **{name: name for name in ("fit", "threads", "unit_scale")},
    **dict.fromkeys(("Comparison", "compare"), "drift"),
    "Window": "window",
    **{f"{name}Error": "errors" for name in _ERRORS.split()},
}
"""The module from which each name of `evenly` is imported."""

TORCH_MODULES = {
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), "batch_norm"),
    **dict.fromkeys(("LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d"), "lazy"),
    **dict.fromkeys(("Normalize", "Denormalize"), "normalize"),
    **{name: name for name in ("convert", "gather")},
    "ConversionReport": "conversion_report",
    "DriftMonitor": "drift_monitor",
    "SyncBatchNorm": "sync",
    "empty_cache": "allocator",
}
"""The module of `evenly.torch` from which each of its names is imported."""

SUBPACKAGES = {
    "torch": (*TORCH_MODULES, "functional"),
    "robotics": ("FeatureStats", "lerobot_stats", "openpi_norm_stats", "read_stats"),
    "sklearn": ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler"),
    "typing": (),
}  # fmt: skip
"""Subpackages, imported on first use, and the names that are only there."""


def resolve(name: str) -> "Any":
    """Return a public attribute of `evenly`, which is imported now.

    Raises
    ------
    AttributeError
        If there is none; it says where a name of a subpackage is.
    MissingExtraError
        For a subpackage whose optional package is not installed.
    """
    if name == "__version__":
        return import_module("importlib.metadata").version("evenly")
    if name in SUBPACKAGES:
        return import_module(f"evenly.{name}")
    if name in MODULES:
        return getattr(import_module(f"evenly.{MODULES[name]}"), name)
    homes = [package for package, names in SUBPACKAGES.items() if name in names]
    advice = f". Write evenly.{homes[0]}.{name}" if homes else ""
    raise AttributeError(f"module 'evenly' has no attribute {name!r}{advice}", name=name)
