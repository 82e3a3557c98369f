"""Update running statistics outside `torch.func` transforms.

Under `grad`, `jacrev` and `jvp` a function must not modify tensors that are not its arguments,
so torch's own layers fail in training (pytorch #85533). But running statistics are not
differentiated: they can be updated with the values of the batch, once per call of the function,
as without a transform. This does not hold for `vmap`, whose batches have no order.
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
    """Return whether transforms are active that do not wrap these running statistics."""
    if torch.compiler.is_compiling() or peek_interpreter_stack() is None:
        return False
    return not is_functorch_wrapped_tensor(running)


@contextmanager
def without_transforms() -> Iterator[None]:
    """Suspend all transforms within the context."""
    with temporarily_clear_interpreter_stack(), forward_ad._set_fwd_grad_enabled(False):
        yield


def unwrap_statistics(batch: Statistics) -> Statistics:
    """Return the statistics without the wrappers of transforms."""
    count = batch.num_values
    return Statistics(
        _unwrap(batch.mean),
        _unwrap(batch.variance),
        _unwrap(count) if isinstance(count, Tensor) else count,
    )


def _unwrap(wrapped: Tensor) -> Tensor:
    while is_functorch_wrapped_tensor(wrapped):
        if is_batchedtensor(wrapped):
            raise RuntimeError(
                "Under vmap, running_mean and running_var must be mapped together with the input. "
                "Received: a mapped input and running statistics that are not mapped. Build the "
                "layer with track_running_stats=False, call eval(), or stack the statistics with "
                "torch.func.stack_module_state."
            )
        wrapped = get_unwrapped(wrapped)
    return wrapped
