"""Batch normalisation on the core's kernels: dense tensors on CPUs.

Between torch and the kernels stands one `autograd.Function`, and nothing else: at small
batches it is Python that takes the time, a microsecond an operation.
"""

from typing import Any

import torch
from torch import Tensor
from torch._C import _get_tracing_state, _len_torch_dispatch_stack
from torch._C._functorch import (
    is_functorch_wrapped_tensor,
    is_legacy_batchedtensor,
    peek_interpreter_stack,
)
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from evenly import _core
from evenly.torch import reference


def supports(x: Tensor, *parts: Tensor | None) -> bool:
    """Return whether the kernels take a batch with these per-channel parts.

    Not for them is what torch wants to see the operations of (compiling, tracing,
    `torch.func`, forward-mode derivatives, dispatch modes, subclasses), what is on other
    devices, and what torch may refuse. (Nor anything in a torch without DLPack's exchange API.)
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
    return _core.takes(x, *parts)


class BatchStatistics:
    """Statistics of a batch as the kernels keep them.

    Attributes
    ----------
    saved
        Four float64 a channel: the mean as all highs and all lows, the biased variances, and
        1 / sqrt(variance + eps).
    num_values
        How many values each channel has.
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
    """Return the saved numbers, float64 of shape (4, C)."""
    return torch.frombuffer(saved, dtype=torch.float64).view(4, -1)


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, BatchStatistics]:
    """Normalise what they `supports` with the batch's own statistics, and return those."""
    x = _core.dense(x)
    kept = BatchStatistics(x)
    if _differentiable(x, weight, bias):
        return _apply(x, weight, bias, (kept, eps, None)), kept
    return _core.batch_norm(x, weight, bias, eps, kept.saved, True), kept


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalise what they `supports` with given statistics."""
    x = _core.dense(x)
    if _differentiable(x, weight, bias):
        return _apply(x, weight, bias, (BatchStatistics(x), eps, (mean, variance)))
    return _core.batch_norm_fixed(x, mean, variance, weight, bias, eps, None)


_Context = tuple[BatchStatistics, float, tuple[Tensor, Tensor] | None]
"""What a call needs beside its differentiable inputs: where statistics are kept, and last the
fixed ones, if any."""


def _differentiable(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    )


class _BatchNorm(torch.autograd.Function):
    """Both directions on the kernels; the second derivative in plain operations."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, call: _Context
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias, ctx.call = bias, call  # of bias only the kind is used: it may change meanwhile
        kept, eps, fixed = call
        if fixed is None:
            return _core.batch_norm(x, weight, bias, eps, kept.saved, True)
        return _core.batch_norm_fixed(x, *fixed, weight, bias, eps, kept.saved)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        bias = ctx.bias
        if torch.is_grad_enabled() or _is_batched(
            gradient
        ):  # create_graph=True, is_grads_batched=True
            return *_double_backward(x, weight, bias, gradient, ctx), None
        kept, _, fixed = ctx.call
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        found = _core.batch_norm_backward(
            x, gradient, weight, bias, kept.saved, for_x, for_weight, for_bias, fixed is not None
        )
        return *found, None


# Function.apply without its own first step, which looks for torch.func's transforms in 3 us;
# `supports` has seen that there are none.
_apply = super(torch.autograd.Function, _BatchNorm).apply


def _is_batched(gradient: Tensor) -> bool:
    """Whether it stands for many gradients at once, and has no memory of its own."""
    return bool(is_legacy_batchedtensor(gradient) or is_functorch_wrapped_tensor(gradient))


def _double_backward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, gradient: Tensor, ctx: Any
) -> list[Tensor | None]:
    """Return the gradients in operations that can be differentiated once more, and mapped."""
    kept, eps, fixed = ctx.call
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        if fixed is None:
            y, _ = reference.normalize_batch(x, weight, bias, eps)
        else:
            y = reference.normalize_fixed(x, kept.mean, kept.variance, weight, bias, eps)
    wanted = ctx.needs_input_grad[:3]
    inputs = [part for part, ok in zip((x, weight, bias), wanted, strict=True) if ok]
    found = iter(torch.autograd.grad(y, inputs, gradient, create_graph=again))
    return [next(found) if ok else None for ok in wanted]
