"""Update a layer's statistics in a custom operation, for compiled graphs."""

import itertools
import weakref
from typing import Protocol

import torch
from torch import Tensor

from evenly.errors import DataError
from evenly.torch.buffers import StateTensors
from evenly.transform.compiler import assume_constant_result, is_exporting


class LearningLayer(Protocol):
    """A layer that the operations below look up by its id."""

    _is_ready: bool

    def learn(self, x: Tensor, into: StateTensors) -> None:
        """Add a batch to the statistics, and write the buffers."""

    def check_ready(self) -> None:
        """Raise an error if the statistics are insufficient for evaluation."""


_layers: "weakref.WeakValueDictionary[int, LearningLayer]" = weakref.WeakValueDictionary()
_ids = itertools.count()


def register_layer(layer: LearningLayer) -> int:
    """Return an id by which `update_statistics` finds the layer while it is alive."""
    layer_id = next(_ids)
    _layers[layer_id] = layer
    return layer_id


@torch.library.custom_op("evenly::learn", mutates_args=("hi", "lo", "scale", "exact"))
def update_statistics(
    x: Tensor, hi: Tensor, lo: Tensor, scale: Tensor, exact: Tensor, layer: int
) -> None:
    """Add a batch to the statistics of the layer with this id, and write its buffers.

    Arguments of an operation are numbers and tensors, and the compiler must know which
    tensors it changes.
    """
    registered = _layers.get(layer)
    if registered is None:
        raise DataError(
            "A compiled graph can only update a layer that still exists. Received: a graph whose "
            "Normalize was deleted. Keep the model while its compiled graph is in use."
        )
    registered.learn(x, StateTensors(hi, lo, scale, exact))


@update_statistics.register_fake
def _(x: Tensor, hi: Tensor, lo: Tensor, scale: Tensor, exact: Tensor, layer: int) -> None:
    return None


@update_statistics.register_vmap
def _(info: object, in_dims: object, *args: object) -> None:
    raise DataError(
        "A Normalize layer cannot learn under vmap. Received: a layer in training mode. Call "
        ".eval() or .freeze() first."
    )


@assume_constant_result
def check_ready(layer: int) -> None:
    """Call ``check_ready`` of a layer outside of the graph that is being traced.

    The graph has the buffers as inputs, so it stays right when they are changed.
    """
    registered = _layers[layer]
    before = registered._is_ready
    try:
        registered.check_ready()
    finally:
        registered._is_ready = before  # the tracer has already read it


def check_not_exporting() -> None:
    """Raise an error during an export: a layer's id has no meaning in another process."""
    if is_exporting() or torch.jit.is_tracing():
        raise DataError(
            "A Normalize layer cannot learn in an exported graph. Received: a layer in training "
            "mode. Export or trace it after .eval() or .freeze()."
        )
