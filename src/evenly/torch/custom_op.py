"""Learning from a batch as one opaque operation, so that it may stand in a compiled graph."""

import itertools
import weakref
from typing import Any

import torch
from torch import Tensor

from evenly.errors import DataError

_layers: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()
_numbers = itertools.count()


def register_layer(layer: Any) -> int:
    """Return a number by which `update_statistics` finds the layer while it is alive."""
    number = next(_numbers)
    _layers[number] = layer
    return number


@torch.library.custom_op("evenly::learn", mutates_args=("hi", "lo", "scale"))
def update_statistics(x: Tensor, hi: Tensor, lo: Tensor, scale: Tensor, layer: int) -> None:
    """Have the layer of that number learn from a batch, and write its statistics.

    A graph holds numbers and tensors only; and whoever compiles one must know which tensors
    an operation changes.
    """
    known = _layers.get(layer)
    if known is None:
        raise DataError(
            "A graph can learn only for a layer that is there. Received: a graph whose Normalize "
            "has gone. Keep the model for as long as what was compiled from it."
        )
    known.learn(x, (hi, lo, scale))


@update_statistics.register_fake
def _(x: Tensor, hi: Tensor, lo: Tensor, scale: Tensor, layer: int) -> None:
    return None


@update_statistics.register_vmap
def _(info: Any, in_dims: Any, *args: Any) -> None:
    raise DataError(
        "A Normalize must not be learning under vmap. Received: one in training mode. Call "
        ".eval() or .freeze() first."
    )


def check_not_exporting() -> None:
    """Raise in an export: the number of a layer means nothing in another process."""
    if getattr(torch.compiler, "is_exporting", bool)():
        raise DataError(
            "A Normalize must not be learning when it is exported. Received: one in training "
            "mode. Export after .eval() or .freeze()."
        )
