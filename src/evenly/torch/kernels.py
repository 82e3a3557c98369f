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
from evenly.torch import plain
from evenly.torch.memory import empty_like


def take(x: Tensor, *parts: Tensor | None) -> bool:
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


def dense(x: Tensor) -> Tensor:
    """Return a tensor of the same values that lie without a gap."""
    return x if _core.is_dense(x) else x.contiguous()


def alike(x: Tensor, other: Tensor) -> Tensor:
    """Return ``other`` laid out as ``x``, so that one layout describes both."""
    if other.is_neg():
        other = other.resolve_neg()
    if x.is_contiguous() and other.is_contiguous():
        return other
    return other if other.stride() == x.stride() else empty_like(x).copy_(other)


class Kept:
    """Statistics as the kernels keep them.

    Attributes
    ----------
    saved
        Four float64 a channel: the mean as all highs and all lows, the biased variances, and
        1 / sqrt(variance + eps).
    number
        How many values each channel has.
    """

    __slots__ = ("number", "saved")

    def __init__(self, channels: int, number: int) -> None:
        self.saved = bytearray(32 * channels)
        self.number = number

    @property
    def rows(self) -> Tensor:
        """The saved numbers, float64 of shape (4, C)."""
        return torch.frombuffer(self.saved, dtype=torch.float64).view(4, -1)

    @property
    def mean(self) -> Tensor:
        """The mean of each channel, float64."""
        return self.rows[0] + self.rows[1]

    @property
    def variance(self) -> Tensor:
        """The biased variance of each channel, float64."""
        return self.rows[2]

    def move(
        self,
        mean: Tensor,
        variance: Tensor,
        tracked: Tensor | None,
        momentum: float,
        *,
        skip: bool,
    ) -> bool:
        """Move running statistics that `take` has seen; return whether they were moved.

        A momentum of NaN stands for 1 / ``tracked``.
        """
        return _core.batch_norm_move(
            self.saved, self.number, momentum, skip, mean, variance, tracked
        )


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Kept]:
    """Normalise what they `take` with the batch's own statistics, and return those."""
    x, kept = dense(x), _kept_of(x)
    call = kept, eps, None
    if _differentiable(x, weight, bias):
        return _apply(x, weight, bias, call), kept
    return _forward(x, weight, bias, call), kept


def normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalise what they `take` with given statistics."""
    x, fixed = dense(x), (mean, variance)
    if _differentiable(x, weight, bias):
        return _apply(x, weight, bias, (_kept_of(x), eps, fixed))
    return _forward(x, weight, bias, (None, eps, fixed))


def _kept_of(x: Tensor) -> Kept:
    channels = x.size(1)
    return Kept(channels, x.numel() // channels)


Call = tuple[Kept | None, float, tuple[Tensor, Tensor] | None]
"""What a call needs beside its differentiable inputs: where statistics are kept (None: nobody
will ask for fixed ones), and last the fixed statistics, if any."""


def _differentiable(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    )


def _forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, call: Call) -> Tensor:
    kept, eps, fixed = call
    if fixed is not None:
        saved = None if kept is None else kept.saved
        return _core.batch_norm_fixed(x, *fixed, weight, bias, eps, saved)
    assert kept is not None
    return _core.batch_norm(x, weight, bias, eps, kept.saved, True)


class _BatchNorm(torch.autograd.Function):
    """Both directions on the kernels; the second derivative in plain operations."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, call: Call
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias, ctx.call = bias, call  # of bias only the kind is used: it may change meanwhile
        return _forward(x, weight, bias, call)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        bias = ctx.bias
        if torch.is_grad_enabled() or _mapped(gradient):  # create_graph=True, is_grads_batched=True
            return *_again(x, weight, bias, gradient, ctx), None
        kept, _, fixed = ctx.call
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        gradient = alike(x, gradient)
        found = _core.batch_norm_backward(
            x, gradient, weight, bias, kept.saved, for_x, for_weight, for_bias, fixed is not None
        )
        return *found, None


# Function.apply without its own first step, which looks for torch.func's transforms in 3 us;
# `take` has seen that there are none.
_apply = super(torch.autograd.Function, _BatchNorm).apply


def _mapped(gradient: Tensor) -> bool:
    """Whether it stands for many gradients at once, and has no memory of its own."""
    return bool(is_legacy_batchedtensor(gradient) or is_functorch_wrapped_tensor(gradient))


def _again(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, gradient: Tensor, ctx: Any
) -> list[Tensor | None]:
    """Return the gradients in operations that can be differentiated once more, and mapped."""
    kept, eps, fixed = ctx.call
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        if fixed is None:
            y, _ = plain.normalize_batch(x, weight, bias, eps)
        else:
            y = plain.normalize_fixed(x, kept.mean, kept.variance, weight, bias, eps)
    wanted = ctx.needs_input_grad[:3]
    inputs = [part for part, ok in zip((x, weight, bias), wanted, strict=True) if ok]
    found = iter(torch.autograd.grad(y, inputs, gradient, create_graph=again))
    return [next(found) if ok else None for ok in wanted]
