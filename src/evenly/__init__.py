"""Mean 0 and variance 1 for your data: exactly, from wherever it lives, at memory speed."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenly.errors import *  # noqa: F403
    from evenly.fit import fit as fit
    from evenly.moments import *  # noqa: F403
    from evenly.threads import threads as threads
    from evenly.unit_scale import unit_scale as unit_scale
    from evenly.window import Window as Window

_ERRORS = "Evenly Data Column Source StatisticsFile UnsupportedType MissingExtra"
_MODULES = dict.fromkeys(("Moments", "GroupedMoments", "load", "merge"), "moments")
_MODULES |= {name: name for name in ("fit", "threads", "unit_scale")} | {"Window": "window"}
_MODULES |= {f"{name}Error": "errors" for name in _ERRORS.split()}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562); NumPy alone takes 0.1 s."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("evenly")
    if name not in _MODULES:
        raise AttributeError(f"module 'evenly' has no attribute {name!r}")
    return getattr(importlib.import_module(f"evenly.{_MODULES[name]}"), name)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _MODULES:  # evenly.fit is the function, also after `import evenly.fit`
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
