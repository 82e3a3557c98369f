"""Memory for the layers' outputs, kept from one step to the next."""

import torch
from torch import Tensor
from torch._C import _from_dlpack

from evenly import _core

CODES = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.float64: 3}
"""The core's names for dtypes."""

MIN_CACHED = _core.least_cached()
"""Values: what is smaller, the C library itself keeps."""

_MAX_CACHED = _core.most_cached()
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def is_channels_last(x: Tensor) -> bool:
    """Return whether a tensor's values lie without a gap, those of all channels side by side."""
    own = _CHANNELS_LAST.get(x.ndim)
    if own is None:
        return x.ndim > 2 and x.movedim(1, -1).is_contiguous()
    return x.is_contiguous(memory_format=own)  # without a view, which takes longer


def empty_like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return `torch.empty_like` of a tensor on the CPU, in kept memory if it is large."""
    code = CODES.get(dtype or x.dtype)
    if x.numel() < MIN_CACHED or x.nbytes > _MAX_CACHED or code is None:
        return torch.empty_like(x, dtype=dtype)
    dense = x.is_contiguous() or is_channels_last(x)
    alike = x if dense else torch.empty_like(x, device="meta")
    return _from_dlpack(_core.empty(alike.shape, alike.stride(), code))


def empty_cache() -> int:
    """Give the memory that is kept for outputs back to the system.

    On CPUs the layers keep the memory of large outputs and gradients (from a million
    values) when they are freed, for the next of their size, as PyTorch does on GPUs: the
    system fills new memory with zeros, which takes longer than normalising it. At most 256 MB
    are kept, or as many as the environment variable ``EVENLY_CACHE_MB`` says when the layers
    are imported; with 0, none.

    Returns
    -------
    int
        The bytes given back.

    Examples
    --------
    >>> import torch, evenly.torch
    >>> layer = evenly.torch.BatchNorm1d(64)
    >>> y = layer(torch.ones(65536, 64))
    >>> del y
    >>> evenly.torch.empty_cache() >= 4 * 65536 * 64
    True
    """
    return _core.empty_cache()
