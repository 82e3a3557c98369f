"""Add a batch to a drift monitor in a custom operation, for compiled graphs."""

import itertools
import weakref
from typing import Protocol

import torch
from torch import Tensor


class Monitor(Protocol):
    """A monitor that the operation looks up by its id."""

    def observe(self, x: Tensor) -> None:
        """Add a batch to the moments."""


_monitors: "weakref.WeakValueDictionary[int, Monitor]" = weakref.WeakValueDictionary()
_ids = itertools.count()


def register_monitor(monitor: Monitor) -> int:
    """Return an id by which `observe` finds the monitor while it is alive."""
    monitor_id = next(_ids)
    _monitors[monitor_id] = monitor
    return monitor_id


@torch.library.custom_op("evenly::observe", mutates_args=("observed",))
def observe(x: Tensor, observed: Tensor, monitor: int) -> None:
    """Add a batch to a monitor.

    Arguments of an operation are numbers and tensors. `observed` counts batches, so that the
    compiler keeps an operation without a result.
    """
    observed += 1
    registered = _monitors.get(monitor)
    if registered is not None:
        registered.observe(x)


@observe.register_fake
def _(x: Tensor, observed: Tensor, monitor: int) -> None:
    return None


@observe.register_vmap
def _(
    info: object, in_dims: tuple[int | None, ...], x: Tensor, observed: Tensor, monitor: int
) -> tuple[None, None]:
    """Observe the rows of all inputs of a vmap."""
    if in_dims[0] is not None:
        x = x.movedim(in_dims[0], 0)
        x = x.flatten(0, 1) if x.ndim > 2 else x
    observe(x, observed, monitor)
    return None, None
