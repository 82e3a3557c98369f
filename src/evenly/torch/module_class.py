"""A layer that becomes one of another class, with all that it holds."""

import warnings
from collections.abc import Collection
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from evenly.errors import format_names
from evenly.torch import batch_norm as ours
from evenly.torch import lazy

Pairs = dict[type[nn.Module], type[nn.Module]]
Named = list[tuple[str, Any]]

PAIRS: Pairs = {
    nn.BatchNorm1d: ours.BatchNorm1d,
    nn.BatchNorm2d: ours.BatchNorm2d,
    nn.BatchNorm3d: ours.BatchNorm3d,
}
"""Torch's classes and ours."""

LAZY_PAIRS: Pairs = {
    nn.LazyBatchNorm1d: lazy.LazyBatchNorm1d,
    nn.LazyBatchNorm2d: lazy.LazyBatchNorm2d,
    nn.LazyBatchNorm3d: lazy.LazyBatchNorm3d,
}
"""Torch's classes and ours, before their first batch."""


def class_of(module: nn.Module) -> type[nn.Module]:
    """Return a module's class; for one with parametrizations, that without."""
    return parametrize.type_before_parametrizations(module)


def set_class(module: nn.Module, new: type[nn.Module]) -> None:
    """Change a module's class, and nothing else.

    Whoever holds the module or its tensors (optimisers, hooks, other modules) notices nothing.
    """
    if parametrize.is_parametrized(module):
        # Its class is its own, made by torch: a subclass that has the properties.
        kept = {k: v for k, v in vars(type(module)).items() if k not in ("__dict__", "__weakref__")}
        new = type(f"Parametrized{new.__name__}", (new,), kept)
    module.__class__ = new


def find_batch_norms(
    model: nn.Module, classes: Collection[type[nn.Module]], fine: Collection[type[nn.Module]] = ()
) -> Named:
    """Return the batch norms of just these classes, by name, each once.

    Subclasses do something of their own: they are left alone, with a warning that names
    them, unless they are ``fine``.
    """
    found, others = [], []
    for name, module in model.named_modules():
        if class_of(module) in classes:
            found.append((name, module))
        elif isinstance(module, _BatchNorm) and class_of(module) not in fine:
            others.append(f"{name or 'the model'} ({type(module).__name__})")
    if others:
        warnings.warn(
            "Batch norms of classes that are neither torch's nor evenly's were left alone: "
            f"{format_names(others)}.",
            stacklevel=3,
        )
    return found
