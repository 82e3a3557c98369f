"""Reuse the memory of the layers' outputs in later steps."""

import torch
from torch import Tensor
from torch._C import _from_dlpack

from evenly import _core

CODES = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.float64: 3}
"""The core's codes of dtypes."""

MIN_CACHED = _core.least_cached()
"""Minimum number of elements to cache; malloc already reuses smaller blocks."""

_MAX_CACHED = _core.most_cached()
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def is_channels_last(x: Tensor) -> bool:
    """Return whether a tensor is dense with the channels as the innermost dimension."""
    memory_format = _CHANNELS_LAST.get(x.ndim)
    if memory_format is None:
        return x.ndim > 2 and x.movedim(1, -1).is_contiguous()
    return x.is_contiguous(memory_format=memory_format)  # faster than with a view


def empty_like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return `torch.empty_like` of a CPU tensor, in cached memory if it is large."""
    code = CODES.get(dtype or x.dtype)
    if x.numel() < MIN_CACHED or x.nbytes > _MAX_CACHED or code is None:
        return torch.empty_like(x, dtype=dtype)
    dense = x.is_contiguous() or is_channels_last(x)
    layout = x if dense else torch.empty_like(x, device="meta")
    return _from_dlpack(_core.empty(layout.shape, layout.stride(), code))


def empty_cache() -> int:
    """Release the cached memory of outputs to the system.

    On CPUs the layers cache the memory of freed outputs and gradients with 262,144 values or
    more, and reuse it for the next tensor of the same size, as PyTorch does on GPUs: the
    system fills new memory with zeros, which takes longer than normalizing it. The cache
    holds at most 256 MB, or the value of the environment variable ``EVENLY_CACHE_MB`` when
    the layers are imported; 0 disables it.

    Returns
    -------
    int
        The number of bytes released.

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
