"""Mean 0 and variance 1 for your data: exactly, from wherever it lives, at memory speed."""

import sys
from types import ModuleType

from evenly.public_names import MODULES, resolve

TYPE_CHECKING = False  # type checkers know the name; typing takes longer to import than the rest
if TYPE_CHECKING:
    from typing import Any

    from evenly import robotics as robotics
    from evenly import sklearn as sklearn
    from evenly import torch as torch
    from evenly import typing as typing
    from evenly.drift import Comparison as Comparison
    from evenly.drift import compare as compare
    from evenly.errors import *  # noqa: F403
    from evenly.fit import fit as fit
    from evenly.moments import *  # noqa: F403
    from evenly.threads import threads as threads
    from evenly.unit_scale import unit_scale as unit_scale
    from evenly.window import Window as Window

__all__ = list(MODULES)


def __getattr__(name: str) -> "Any":
    """Import a public name on first use (PEP 562); NumPy alone takes 0.1 s."""
    return resolve(name)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        if name not in MODULES:  # evenly.fit is the function, also after `import evenly.fit`
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
