"""`batch_norm` as a function of given statistics, as in `torch.nn.functional`."""

import torch
from torch import Tensor
from torch._C import _get_tracing_state
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from evenly.errors import DataError
from evenly.torch import fused, fusible, fx_tracing, native, operators, reference, running_stats
from evenly.torch.mask import broadcast_mask
from evenly.torch.reference import Statistics
from evenly.transform.compiler import is_exporting


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    mask: Tensor | None = None,
    exact: bool = False,
) -> Tensor:
    """Apply batch normalization to each channel.

    ``(input - mean) / sqrt(variance + eps) * weight + bias``, with the signature, the results
    (to rounding) and the errors of ``torch.nn.functional.batch_norm``.

    Parameters
    ----------
    input
        Shape ``(N, C, *)``: float64, float32, bfloat16 or float16.
    running_mean, running_var
        Shape (C,). With ``training`` they are updated in place, and may be None; otherwise
        they are the statistics with which the input is normalized.
    weight, bias
        Shape (C,), or None for 1 and 0. Their dtype is the input's, or float32 for
        half-precision input.
    training
        Whether to use the statistics of the input.
    momentum
        The weight of the new batch in the running statistics.
    eps
        Added to the variance; above 0 in training.
    mask
        Boolean, shape ``(N,)`` or ``(N, *)``: True where a value counts. The output of padding
        is 0.
    exact
        Whether accelerators subtract a value of each channel first: see `evenly.torch.BatchNorm1d`.

    Raises
    ------
    DataError
        (a ValueError) For a single value per channel in training, or an invalid ``eps`` or
        mask.
    RuntimeError
        torch's own, for wrong shapes, dtypes and devices.

    Examples
    --------
    >>> import torch
    >>> from evenly.torch import functional
    >>> functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    if fx_tracing.is_proxy(input):
        arguments = (running_mean, running_var, weight, bias, training, momentum, eps)
        options = {"mask": mask, "exact": exact}
        return fx_tracing.record_function(batch_norm, input, *arguments, **options)
    if input.ndim < 2:  # no channels: torch raises an error, or returns an empty tensor
        return torch.nn.functional.batch_norm(
            input, running_mean, running_var, weight, bias, training, momentum, eps
        )
    mask = broadcast_mask(input, mask, None)
    if not training:
        return normalize_fixed(
            input, running_mean, running_var, weight, bias, eps, mask, exact=exact
        )
    if has_single_value(input, mask):
        raise single_value_error(
            input, "Pass a larger batch, or training=False to use the running statistics."
        )
    return normalize_and_update(
        input, running_mean, running_var, None, None, weight, bias, eps, mask,
        exact=exact, momentum=momentum,
    )  # fmt: skip


def normalize_and_update(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    num_batches: Tensor | None,
    skipped: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None,
    *,
    exact: bool,
    momentum: float | None,
) -> Tensor:
    """Normalize with the batch's statistics, and update the running ones, if any.

    See `evenly.torch.running_stats.update_running_stats` for their arguments.
    """
    y, batch = normalize_batch(
        x, weight, bias, eps, mask, (mean, variance),
        exact=exact, momentum=momentum if skipped is None else None,
    )  # fmt: skip
    if mean is None or variance is None:
        return y
    if batch is not None:
        running_stats.update_running_stats(mean, variance, num_batches, batch, momentum, skipped)
    elif num_batches is not None:
        num_batches.add_(1)
    return y


def normalize_batch(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None = None,
    running_stats: tuple[Tensor | None, Tensor | None] = (None, None),
    *,
    exact: bool = False,
    momentum: float | None = None,
) -> tuple[Tensor, Statistics | native.BatchStatistics | None]:
    """Normalize with the batch's statistics, and return both.

    Parameters
    ----------
    running_stats
        They are checked, with torch's errors.
    exact
        Whether torch's operator gets a batch from which a value of each channel was subtracted.
    momentum
        If given, torch's operator may update the running statistics in the same call.

    Returns
    -------
    tuple
        The result, and the statistics with which the running ones are still to be updated: None
        for an empty batch, and if the operator has updated them.
    """
    if mask is None and eps > 0.0 and native.supports(x, weight, bias, *running_stats):
        return native.normalize_batch(x, weight, bias, eps)
    check_training(x, weight, bias, *running_stats, eps)
    if x.numel() == 0:
        return empty_result(x, weight, bias), None
    if mask is None and operators.supports(x, weight, bias):
        return operators.normalize_batch(x, weight, bias, eps)
    if mask is None and fused.supports(x):
        has_none = all(part is None for part in running_stats)
        if exact or (momentum is None and not has_none):
            return fused.normalize_batch(x, weight, bias, eps, exact=exact)
        return fused.normalize_and_update(x, running_stats, weight, bias, momentum, eps), None
    if mask is None and fusible.supports(x):
        return fusible.normalize_batch(x, weight, bias, eps)
    return reference.normalize_batch(x, weight, bias, eps, mask)


def normalize_fixed(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None = None,
    *,
    exact: bool = False,
) -> Tensor:
    """Normalize with given statistics."""
    if eps < 0.0:
        raise DataError(f"batch_norm eps must be non-negative, but got {eps}")
    if mean is None or variance is None:
        check_as_torch(x, weight, bias, mean, variance, training=False, eps=eps)
    assert mean is not None
    assert variance is not None
    if mask is None and native.supports(x, weight, bias, mean, variance):
        return native.normalize_fixed(x, mean, variance, weight, bias, eps)
    if mask is None and is_recording_graph():
        return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, eps=eps)
    check_as_torch(x, weight, bias, mean, variance, training=False, eps=eps)
    if mask is None and fused.supports(x):
        return fused.normalize_fixed(x, mean, variance, weight, bias, eps, exact=exact)
    return reference.normalize_fixed(x, mean, variance, weight, bias, eps, mask)


def empty_result(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Return the result for a batch without values, with its derivatives.

    The gradients of weight and bias are 0, as torch's: DistributedDataParallel waits for each
    parameter, and optimizers skip those without a gradient.
    """
    y = x.clone()
    for parameter in (weight, bias):
        if parameter is not None:
            y = y + parameter.sum().to(x.dtype)
    return y


def is_recording_graph() -> bool:
    """Return whether operations are recorded in a graph that another program will run.

    These are `torch.export`, both ONNX exporters, `torch.jit.trace` and `make_fx`. Optimizers of
    such graphs recognize the operator ``batch_norm``, and fold it into a convolution before it.
    (`torch.compile` gets the elementwise operations, which it fuses.)
    """
    if is_exporting() or torch.compiler.is_compiling():
        return is_exporting()
    return _get_tracing_state() is not None or get_proxy_mode() is not None


def has_single_value(x: Tensor, mask: Tensor | None) -> bool:
    """Return whether there is one value per channel, so a batch has no variance."""
    if mask is None:
        return x.numel() == x.size(1)
    if torch.compiler.is_compiling():
        return False  # reading the sum would break the graph; the update is then skipped
    return int(mask.expand(x.shape[0], 1, *x.shape[2:]).sum()) == 1


def single_value_error(x: Tensor, advice: str, *, where: str = "") -> ValueError:
    """Return torch's error for a single value per channel, and what to do."""
    # The constructor of our errors cannot be traced; the message would be lost.
    error = ValueError if torch.compiler.is_compiling() else DataError
    return error(
        "Expected more than 1 value per channel when training, got input size "
        f"{x.size()}{where}. {advice}"
    )


def check_training(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    eps: float,
) -> None:
    """Raise torch's errors for invalid arguments in training."""
    if eps <= 0.0:
        raise DataError(f"batch_norm eps must be positive during training, but got {eps}")
    check_as_torch(x, weight, bias, running_mean, running_var, training=True, eps=eps)


def check_as_torch(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *,
    training: bool,
    eps: float,
) -> None:
    """Raise torch's errors for incompatible shapes, dtypes and devices.

    Unusual combinations are passed to torch; those that it accepts are accepted here.
    """
    tensors = [t for t in (weight, bias, running_mean, running_var) if t is not None]
    if x.is_floating_point() and (training or (running_mean, running_var).count(None) == 0):
        half = x.dtype in (torch.bfloat16, torch.float16)
        dtypes = {t.dtype for t in tensors}
        compatible = dtypes <= {x.dtype} or (half and dtypes == {torch.float32})
        if compatible and all(t.shape == x.shape[1:2] and t.device == x.device for t in tensors):
            return
    mean = None if running_mean is None else running_mean.clone()  # torch would update them
    variance = None if running_var is None else running_var.clone()
    torch.batch_norm(x, weight, bias, mean, variance, training, 0.0, eps, False)
