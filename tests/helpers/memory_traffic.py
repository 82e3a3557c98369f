"""Count the memory traffic of operators as an accelerator would run them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ALLOCATIONS = {"empty", "empty_like", "zeros", "zeros_like", "ones_like", "new_empty"}
TWICE = {"native_batch_norm": 1, "native_batch_norm_backward": 2}
"""The number of arguments that an operator reads twice: for statistics, and for the result."""


class Traffic(TorchDispatchMode):
    """Record the names of the operators that run, and the bytes that they read and write.

    Views and allocations do not count; an operator reads and writes each of its tensors once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[str] = []
        self.nbytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if not function.is_view and name not in ALLOCATIONS:
            self.operators.append(name)
            given = tensors(args)
            if name in TWICE and self._uses_batch_statistics(name, args):
                given += given[: TWICE[name]]
            self.nbytes += sum(t.nbytes for t in [*given, *tensors(result)])
        return result

    @staticmethod
    def _uses_batch_statistics(name: str, args: Any) -> bool:
        return bool(args[5] if name == "native_batch_norm" else args[7])


def tensors(tree: Any) -> list[Tensor]:
    """Return the tensors among the arguments or results of an operator."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class Cost(NamedTuple):
    """The bytes for each value of the batch."""

    forward: float
    backward: float
    saved: float


def cost_of(layer: Callable[[Tensor], Tensor], x: Tensor) -> Cost:
    """Return the traffic of the passes of a layer, and what it saves for the backward pass."""
    saved: dict[int, Tensor] = {}

    def save(value: Tensor) -> Tensor:
        return saved.setdefault(value.data_ptr() or id(value), value)

    x = x.detach().requires_grad_()
    with Traffic() as forward, saved_tensors_hooks(save, lambda value: value):
        y = layer(x)
    gradient = torch.ones_like(y)
    with Traffic() as backward:
        y.backward(gradient)
    totals = forward.nbytes, backward.nbytes, sum(value.nbytes for value in saved.values())
    return Cost(*(total / x.numel() for total in totals))
