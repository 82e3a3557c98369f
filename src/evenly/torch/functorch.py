"""Beneath the transforms of `torch.func`: where running statistics move.

`grad`, `jacrev` and `jvp` forbid a function to change what was not given to it, and so torch's own
layers fail in training (pytorch #85533). But running statistics are not differentiated: they
take in the values of the batch, once for each time that the function runs, as without a
transform. `vmap` is another matter: which of its batches should come first?
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch._C._functorch import (
    get_unwrapped,
    is_batchedtensor,
    is_functorch_wrapped_tensor,
    peek_interpreter_stack,
)
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import forward_ad

from evenly.torch.reference import Statistics


def is_outside_transforms(running: Tensor) -> bool:
    """Whether transforms are at work, and these running statistics are beneath them."""
    if torch.compiler.is_compiling() or peek_interpreter_stack() is None:
        return False
    return not is_functorch_wrapped_tensor(running)


@contextmanager
def without_transforms() -> Iterator[None]:
    """Go beneath all transforms, for a while."""
    with temporarily_clear_interpreter_stack(), forward_ad._set_fwd_grad_enabled(False):
        yield


def statistics(batch: Statistics) -> Statistics:
    """Return the values that transforms have wrapped."""
    number = batch.num_values
    return Statistics(
        _value(batch.mean),
        _value(batch.variance),
        _value(number) if isinstance(number, Tensor) else number,
    )


def _value(wrapped: Tensor) -> Tensor:
    while is_functorch_wrapped_tensor(wrapped):
        if is_batchedtensor(wrapped):
            raise RuntimeError(
                "Under vmap, running_mean and running_var must be mapped over together with the "
                "input. Received: an input that is mapped over, and running statistics that are "
                "not. Build the layer with track_running_stats=False, call eval(), or give each "
                "its own by torch.func.stack_module_state."
            )
        wrapped = get_unwrapped(wrapped)
    return wrapped
