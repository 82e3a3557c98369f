"""Encode a mode and the bytes of a statistics file in one tensor of a state_dict.

A tensor can be stored in checkpoint formats that hold only tensors. Loading a statistics file
runs no code, and all of its content is checked.
"""

from typing import Any

import torch
from torch import Tensor

from evenly.errors import StatisticsFileError
from evenly.moments import Moments

_MODES = {b"learning": False, b"frozen": True}


def pack(moments: Moments, *, frozen: bool) -> Tensor:
    """Encode moments, and whether they are frozen, as a tensor of bytes."""
    mode = b"frozen" if frozen else b"learning"
    return torch.frombuffer(bytearray(mode + b"\n" + moments.to_bytes()), dtype=torch.uint8)


def unpack(state: Any) -> tuple[Moments, bool]:
    """Decode the result of `pack`.

    Raises
    ------
    StatisticsFileError
        For any other value.
    """
    if not isinstance(state, Tensor) or state.dtype != torch.uint8 or state.ndim != 1:
        value = f"{state.dtype}, shape {tuple(state.shape)}" if isinstance(state, Tensor) else state
        raise StatisticsFileError(f"a tensor of bytes. Received: {value!r:.80}.")
    mode, _, content = state.detach().cpu().contiguous().numpy().tobytes().partition(b"\n")
    if mode not in _MODES:
        raise StatisticsFileError(
            f"b'frozen' or b'learning', and a statistics file. Received: {mode[:20]!r}."
        )
    return Moments.from_bytes(content), _MODES[mode]
