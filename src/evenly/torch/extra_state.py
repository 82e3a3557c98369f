"""What travels in a state_dict: a word, and the bytes of a statistics file, in one tensor.

A tensor, so that checkpoints of tensors alone can hold it; a statistics file, so that loading
it executes nothing and believes nothing.
"""

from typing import Any

import torch
from torch import Tensor

from evenly.errors import StatisticsFileError
from evenly.moments import Moments

_STATES = {b"learning": False, b"frozen": True}


def pack(moments: Moments, *, frozen: bool) -> Tensor:
    """Return moments, and whether they are frozen, as a tensor of bytes."""
    word = b"frozen" if frozen else b"learning"
    return torch.frombuffer(bytearray(word + b"\n" + moments.to_bytes()), dtype=torch.uint8)


def unpack(state: Any) -> tuple[Moments, bool]:
    """Return what `pack` was given.

    Raises
    ------
    StatisticsFileError
        For anything that `pack` does not return.
    """
    if not isinstance(state, Tensor) or state.dtype != torch.uint8 or state.ndim != 1:
        kind = f"{state.dtype}, shape {tuple(state.shape)}" if isinstance(state, Tensor) else state
        raise StatisticsFileError(f"a tensor of bytes. Received: {kind!r:.80}.")
    word, _, content = state.detach().cpu().contiguous().numpy().tobytes().partition(b"\n")
    if word not in _STATES:
        raise StatisticsFileError(
            f"b'frozen' or b'learning', and a statistics file. Received: {word[:20]!r}."
        )
    return Moments.from_bytes(content), _STATES[word]
