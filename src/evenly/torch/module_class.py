"""Change the class of a layer in place."""

import warnings
from collections.abc import Collection
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from evenly.errors import format_names
from evenly.torch import batch_norm, lazy

Pairs = dict[type[nn.Module], type[nn.Module]]
NamedLayers = list[tuple[str, Any]]

PAIRS: Pairs = {
    nn.BatchNorm1d: batch_norm.BatchNorm1d,
    nn.BatchNorm2d: batch_norm.BatchNorm2d,
    nn.BatchNorm3d: batch_norm.BatchNorm3d,
}
"""torch's classes and the corresponding classes of evenly."""

LAZY_PAIRS: Pairs = {
    nn.LazyBatchNorm1d: lazy.LazyBatchNorm1d,
    nn.LazyBatchNorm2d: lazy.LazyBatchNorm2d,
    nn.LazyBatchNorm3d: lazy.LazyBatchNorm3d,
}
"""The same for lazy layers, before their first batch."""


def original_class(module: nn.Module) -> type[nn.Module]:
    """Return a module's class, before parametrizations."""
    return parametrize.type_before_parametrizations(module)


def set_class(module: nn.Module, new: type[nn.Module]) -> None:
    """Change a module's class, and nothing else.

    References to the module and its tensors (optimizers, hooks, other modules) stay valid.
    """
    if parametrize.is_parametrized(module):
        # torch created a subclass for this module, with the properties: create one of `new`.
        namespace = {
            k: v for k, v in vars(type(module)).items() if k not in ("__dict__", "__weakref__")
        }
        new = type(f"Parametrized{new.__name__}", (new,), namespace)
    module.__class__ = new


def find_batch_norms(
    model: nn.Module,
    classes: Collection[type[nn.Module]],
    allowed: Collection[type[nn.Module]] = (),
) -> tuple[NamedLayers, NamedLayers]:
    """Return the names and layers of exactly these classes, and other batch norms.

    Each layer is returned once. Subclasses may behave differently: they are among the others,
    unless they are ``allowed``.
    """
    layers, others = [], []
    for name, module in model.named_modules():
        if original_class(module) in classes:
            layers.append((name, module))
        elif isinstance(module, _BatchNorm) and original_class(module) not in allowed:
            others.append((name, module))
    return layers, others


def warn_about_others(others: NamedLayers) -> None:
    """Warn about batch norms that the caller's caller does not convert."""
    if others:
        names = [f"{name or 'the model'} ({type(layer).__name__})" for name, layer in others]
        warnings.warn(
            "Batch norms of classes that are neither torch's nor evenly's were not converted: "
            f"{format_names(names)}.",
            stacklevel=3,
        )
