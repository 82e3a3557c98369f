"""Batch normalization on the core's kernels, for dense tensors on CPUs.

Only one `autograd.Function` stands between torch and the kernels: small batches are limited by
Python, which takes about a microsecond per operation.
"""

import torch
from torch import Tensor
from torch._C import _get_tracing_state, _len_torch_dispatch_stack
from torch._C._functorch import (
    is_functorch_wrapped_tensor,
    is_legacy_batchedtensor,
    peek_interpreter_stack,
)
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx
from torch.compiler import is_compiling

from evenly import _core
from evenly.torch import reference


def supports(x: Tensor, *channel_tensors: Tensor | None) -> bool:
    """Return whether the kernels support a batch with these per-channel tensors.

    They do not if torch has to see the single operations (compiling, tracing, `torch.func`,
    forward-mode derivatives, dispatch modes, tensor subclasses), for other devices, and for
    arguments that torch may reject. (Nor in a torch without DLPack's exchange API.)
    """
    if (
        is_compiling()
        or type(x) is not Tensor
        or peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or _len_torch_dispatch_stack()
        or _get_tracing_state() is not None
    ):
        return False
    return _core.takes(x, *channel_tensors)


class BatchStatistics:
    """Statistics of a batch in the kernels' format.

    Attributes
    ----------
    saved
        Four float64 arrays with one number per channel: the high and the low parts of the
        means, the biased variances, and 1 / sqrt(variance + eps).
    num_values
        The number of values per channel.
    """

    __slots__ = ("num_values", "saved")

    def __init__(self, x: Tensor) -> None:
        channels = x.size(1)
        self.saved = bytearray(32 * channels)
        self.num_values = x.numel() // channels

    @property
    def mean(self) -> Tensor:
        """The mean of each channel, float64."""
        high, low, _, _ = as_tensor(self.saved)
        return high + low

    @property
    def variance(self) -> Tensor:
        """The biased variance of each channel, float64."""
        return as_tensor(self.saved)[2]


def as_tensor(saved: bytearray) -> Tensor:
    """Return the saved numbers as a float64 tensor of shape (4, C)."""
    return torch.frombuffer(saved, dtype=torch.float64).view(4, -1)


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, BatchStatistics]:
    """Normalize a supported batch with its own statistics, and return both."""
    x = _core.dense(x)
    batch = BatchStatistics(x)
    if _needs_grad(x, weight, bias):
        return _apply(x, weight, bias, (batch, eps, None)), batch
    return _core.batch_norm(x, weight, bias, eps, batch.saved, True), batch


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalize a supported batch with given statistics."""
    x = _core.dense(x)
    if _needs_grad(x, weight, bias):
        return _apply(x, weight, bias, (BatchStatistics(x), eps, (mean, variance)))
    return _core.batch_norm_fixed(x, mean, variance, weight, bias, eps, None)


_Context = tuple[BatchStatistics, float, tuple[Tensor, Tensor] | None]
"""The batch's statistics, eps, and the given mean and variance, if any."""


def _needs_grad(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    )


class _BatchNorm(torch.autograd.Function):
    """Forward and backward pass on the kernels; second derivatives in torch."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor | None, bias: Tensor | None, context: _Context
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias, ctx.context = bias, context  # bias may change: only its dtype is used
        batch, eps, fixed = context
        if fixed is None:
            return _core.batch_norm(x, weight, bias, eps, batch.saved, True)
        return _core.batch_norm_fixed(x, *fixed, weight, bias, eps, batch.saved)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        bias = ctx.bias
        # create_graph=True or is_grads_batched=True
        if torch.is_grad_enabled() or _is_batched(gradient):
            return *_double_backward(x, weight, bias, gradient, ctx), None
        batch, _, fixed = ctx.context
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        gradients = _core.batch_norm_backward(
            x, gradient, weight, bias, batch.saved, for_x, for_weight, for_bias, fixed is not None
        )
        return *gradients, None


# Function.apply without its first step, which checks for torch.func's transforms in 3 us;
# `supports` has checked that there are none.
_apply = super(torch.autograd.Function, _BatchNorm).apply


def _is_batched(gradient: Tensor) -> bool:
    """Return whether the tensor is a batch of gradients (of `vmap`), without storage."""
    return bool(is_legacy_batchedtensor(gradient) or is_functorch_wrapped_tensor(gradient))


def _double_backward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, gradient: Tensor, ctx: FunctionCtx
) -> list[Tensor | None]:
    """Return the gradients, computed with differentiable and mappable operations."""
    batch, eps, fixed = ctx.context
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        if fixed is None:
            y, _ = reference.normalize_batch(x, weight, bias, eps)
        else:
            y = reference.normalize_fixed(x, batch.mean, batch.variance, weight, bias, eps)
    needs_gradient = ctx.needs_input_grad[:3]
    inputs = [t for t, needed in zip((x, weight, bias), needs_gradient, strict=True) if needed]
    gradients = iter(torch.autograd.grad(y, inputs, gradient, create_graph=create_graph))
    return [next(gradients) if needed else None for needed in needs_gradient]
