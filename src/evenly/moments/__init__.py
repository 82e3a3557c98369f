"""Exact moments: a mergeable state, and the statistics computed from it.

The classes and functions are imported on first use: those for groups take longer to import than
those for columns, which a layer of PyTorch needs alone.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from evenly.lazy_names import importer

if TYPE_CHECKING:
    from evenly.moments.by_key import MomentsByKey as MomentsByKey
    from evenly.moments.grouped import GroupedMoments as GroupedMoments
    from evenly.moments.load import load as load
    from evenly.moments.load import load_with_manifest as load_with_manifest
    from evenly.moments.load import merge as merge
    from evenly.moments.moments import Moments as Moments

_MODULES = {
    "MomentsByKey": "by_key",
    "GroupedMoments": "grouped",
    "Moments": "moments",
    **dict.fromkeys(("load", "load_with_manifest", "merge"), "load"),
}
# Type checkers read only a literal list of names.
__all__ = ["GroupedMoments", "Moments", "MomentsByKey", "load", "load_with_manifest", "merge"]
__getattr__ = importer(__name__, _MODULES)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; the import of a submodule does not replace a function of its name."""
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
