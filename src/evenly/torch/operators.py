"""Batch normalization as operators of torch, by which compiled graphs call the kernels.

A compiler sees the shapes of their results and their derivative, and calls them as they are.
Running statistics are not an argument: they are updated by plain operations, which the compiler
fuses. Outside of compiled graphs, `evenly.torch.native` calls the core with less overhead.
`torch.library.Library` has a shorter path to the implementation than `torch.library.custom_op`.
"""

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.autograd.function import FunctionCtx
from torch.compiler import is_compiling

from evenly import _core
from evenly.torch.allocator import CODES, is_channels_last
from evenly.torch.native import BatchStatistics, as_tensor
from evenly.torch.reference import Statistics
from evenly.transform.compiler import assume_constant_result, is_exporting

MIN_VALUES = 2**16
"""The minimum number of values of a batch for which a graph calls the operators.

Two calls from a graph take longer than the operations of a small batch, which the compiler fuses
(`evenly.torch.fusible`): with 32,768 values, forward and backward took 1.1 times as long with the
operators, with 65,536 values 0.95 times.
"""

_HALF = torch.bfloat16, torch.float16
_HAS_KERNELS = _core.takes(torch.zeros(2, 1))  # False in a torch without DLPack's exchange API

_library = torch.library.Library("evenly", "FRAGMENT")
_library.define(
    "batch_norm(Tensor x, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor)",
    tags=torch.Tag.pt2_compliant_tag,
)
_library.define(
    "batch_norm_backward(Tensor x, Tensor gradient, Tensor? weight, ScalarType bias_dtype, "
    "Tensor saved, bool[3] needed) -> (Tensor, Tensor, Tensor)",
    tags=torch.Tag.pt2_compliant_tag,
)


def supports(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Return whether a graph that is being compiled should call the operators.

    The arguments are valid ones of torch's batch norm. Transforms of `torch.func` need single
    operations, and an exported graph must not depend on this package.
    """
    if not is_compiling() or not _HAS_KERNELS or x.device.type != "cpu" or not _is_plain(x):
        return False
    if is_exporting() or is_transformed():
        return False
    if x.numel() < MIN_VALUES:
        return False
    dtypes = {part.dtype for part in (weight, bias) if part is not None}
    return x.dtype in CODES and (
        dtypes <= {x.dtype} or (x.dtype in _HALF and dtypes == {torch.float32})
    )


def _is_plain(x: Tensor) -> bool:
    """Return whether a tensor is of no subclass, apart from those in the stages of the compiler."""
    if isinstance(x, FunctionalTensor):
        x = torch._from_functional_tensor(x.elem)
    return type(x) in (Tensor, FakeTensor)


@assume_constant_result
def is_transformed() -> bool:
    """Return whether a transform of `torch.func` is active while the graph is traced.

    The compiler cannot trace the call, and compiles again where the transforms differ.
    """
    return peek_interpreter_stack() is not None


def normalize_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """Normalize a supported batch with its own statistics, and return both."""
    y, saved = torch.ops.evenly.batch_norm(x, weight, bias, eps)
    high, low, variance, _ = saved.detach().unbind()
    return y, Statistics(high + low, variance, x.numel() // x.shape[1])


def _forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normalized batch, and its statistics as in `BatchStatistics.saved`."""
    x = _core.dense(x.resolve_neg())
    batch = BatchStatistics(x)
    y = _core.batch_norm(x, _contiguous(weight), _contiguous(bias), eps, batch.saved, True)
    return y, as_tensor(batch.saved)


def _backward(
    x: Tensor,
    gradient: Tensor,
    weight: Tensor | None,
    bias_dtype: torch.dtype,
    saved: Tensor,
    needed: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of x, weight and bias; an empty tensor for those not needed."""
    x = _core.dense(x.resolve_neg())
    weight = _contiguous(weight)
    bias = saved.new_empty(saved.shape[1], dtype=bias_dtype) if needed[2] else None
    numbers = bytearray(saved.numpy())
    for_x, for_weight, for_bias = needed
    gradients = _core.batch_norm_backward(
        x, gradient, weight, bias, numbers, for_x, for_weight, for_bias, False
    )
    first, second, third = (x.new_empty(0) if g is None else g for g in gradients)
    return first, second, third


def _contiguous(part: Tensor | None) -> Tensor | None:
    return None if part is None else part.contiguous()


def _fake_forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    return _empty_like(x), x.new_empty((4, x.shape[1]), dtype=torch.float64)


def _fake_backward(
    x: Tensor,
    gradient: Tensor,
    weight: Tensor | None,
    bias_dtype: torch.dtype,
    saved: Tensor,
    needed: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    for_x, for_weight, for_bias = needed
    nothing = x.new_empty(0)
    return (
        _empty_like(x) if for_x else nothing,
        nothing.clone() if weight is None or not for_weight else torch.empty_like(weight),
        x.new_empty(x.shape[1], dtype=bias_dtype) if for_bias else nothing.clone(),
    )


def _empty_like(x: Tensor) -> Tensor:
    """Return the output's shape and strides: those of x where the kernels support them."""
    if x.is_contiguous() or is_channels_last(x):
        return torch.empty_like(x)
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _save_for_backward(
    ctx: FunctionCtx,
    inputs: tuple[Tensor, Tensor | None, Tensor | None, float],
    output: tuple[Tensor, Tensor],
) -> None:
    x, weight, bias, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, output[1])
    ctx.bias_dtype = x.dtype if bias is None else bias.dtype  # bias itself may change


def _differentiate(ctx: FunctionCtx, gradient: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if gradient is None:
        return None, None, None, None
    x, weight, saved = ctx.saved_tensors
    needed = list(ctx.needs_input_grad[:3])
    gradients = torch.ops.evenly.batch_norm_backward(
        x, gradient, weight, ctx.bias_dtype, saved, needed
    )
    return *(g if n else None for g, n in zip(gradients, needed, strict=True)), None


_library.impl("batch_norm", _forward, "CPU")
_library.impl("batch_norm_backward", _backward, "CPU")
_library.impl("batch_norm", _fake_forward, "Meta")
_library.impl("batch_norm_backward", _fake_backward, "Meta")
torch.library.register_autograd(
    "evenly::batch_norm", _differentiate, setup_context=_save_for_backward, lib=_library
)
