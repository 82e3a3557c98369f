"""Convert masks and lengths to one form that tells values from padding."""

import torch
from torch import Tensor
from torch.compiler import is_compiling

from evenly.errors import DataError
from evenly.torch.scaling import is_plain_cpu
from evenly.transform.compiler import is_exporting

_ADVICE = "Divide them like the layers before, such as a convolution with a stride, or clamp them."


def broadcast_mask(x: Tensor, mask: Tensor | None, lengths: Tensor | None) -> Tensor | None:
    """Return a mask of shape (N, 1, *), broadcastable to ``x`` of shape (N, C, *).

    Parameters
    ----------
    mask
        Boolean, True where a value counts: shape (N,), a shape that broadcasts to (N, *), or
        one with an additional channel axis of length 1.
    lengths
        The valid length of each sample along the last axis: integers, shape (N,).
    """
    if mask is not None and lengths is not None:
        raise DataError("Padding is given by mask= or lengths=. Received: both. Pass one of them.")
    if lengths is not None:
        return _mask_from_lengths(x, lengths)
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        received = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise DataError(
            "mask must be a boolean tensor, True where a value counts. "
            f"Received: {received}. Create one by a comparison: mask = tokens != padding."
        )
    shape = tuple(mask.shape)
    if mask.ndim == 1:
        shape = (*shape, *[1] * (x.ndim - 1))
    elif mask.ndim == x.ndim - 1:
        shape = (shape[0], 1, *shape[1:])
    target = (x.shape[0], 1, *x.shape[2:])
    fits = len(shape) == x.ndim and all(a in (1, b) for a, b in zip(shape, target, strict=True))
    if not fits:
        raise DataError(
            f"mask must have the shape (N,) or (N, *) of the input, {(x.shape[0], *x.shape[2:])}, "
            f"or broadcast to it. Received: {tuple(mask.shape)}."
        )
    return mask.view(shape)


def _mask_from_lengths(x: Tensor, lengths: Tensor) -> Tensor:
    if not isinstance(lengths, Tensor):
        raise DataError(
            f"lengths must be a tensor of integers. Received: {type(lengths).__name__}. Pass "
            "torch.tensor(lengths)."
        )
    if x.ndim != 3 or lengths.shape != x.shape[:1] or lengths.is_floating_point():
        raise DataError(
            "lengths must be integers of shape (N,), for an input of shape (N, C, L). "
            f"Received: {lengths.dtype} of shape {tuple(lengths.shape)}, and an input of shape "
            f"{tuple(x.shape)}. Pass mask= for other shapes."
        )
    _check_range(lengths, x.shape[2])
    indices = torch.arange(x.shape[2], device=x.device)
    return (indices < lengths.to(x.device)[:, None])[:, None, :]


def _check_range(lengths: Tensor, limit: int) -> None:
    """Check lengths on the CPU; a compiled graph checks them when it runs."""
    if is_plain_cpu(lengths):
        if ((lengths < 0) | (lengths > limit)).any():
            raise DataError(
                f"lengths must be from 0 to the length of the input, {limit}. Received: "
                f"{int(lengths.min())} to {int(lengths.max())}. {_ADVICE}"
            )
    elif is_compiling() and not is_exporting() and lengths.device.type == "cpu":
        message = f"lengths must be from 0 to the length of the input. {_ADVICE}"
        torch._assert_async(((lengths >= 0) & (lengths <= limit)).all(), message)
