"""Compare the constants in a state_dict with its exact statistics.

They disagree if a tool averaged them, or copied some tensors of a state_dict and not others.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from evenly.torch import extra_state
from evenly.torch.buffers import ScalingTensors


def scaling_in(state_dict: Mapping[str, Any], prefix: str, size: int) -> ScalingTensors | None:
    """Return copies of hi, lo and scale; None if one is missing, or cannot be loaded."""
    found = [state_dict.get(prefix + name) for name in ("hi", "lo", "scale")]
    tensors = [x for x in found if isinstance(x, Tensor) and x.shape == (size,) and not x.is_meta]
    if len(tensors) < len(found):
        return None
    hi, lo, scale = (x.detach().clone() for x in tensors)
    return hi, lo, scale


def is_averaged(extra: object, size: int) -> bool:
    """Return whether an extra state of some size is one whose bytes were averaged or rounded."""
    if not isinstance(extra, Tensor) or extra.shape != (size,):
        return False
    return extra.dtype != torch.uint8 or extra_state.decode(extra) is None


def encode_unwritten(state: extra_state.State, size: int) -> Tensor:
    """Return the extra state of a layer that has not written its constants."""
    content = extra_state.encode(state, bytes(16), size)
    return torch.frombuffer(bytearray(content.ljust(size, b"\0")), dtype=torch.uint8)


def agree(given: ScalingTensors, extra: object, own: ScalingTensors, size: int) -> bool:
    """Return whether constants belong to the exact statistics in the same state_dict.

    Parameters
    ----------
    given, extra
        The constants and the extra state in the state_dict. An extra state of an older version
        has no digest of the constants, which are then ignored.
    own
        The constants computed from the extra state with the options of this layer. Those in a
        state_dict that was converted to another dtype are their rounded values.
    size
        The size of an extra state of this version.
    """
    if not isinstance(extra, Tensor) or is_averaged(extra, size):
        return False
    stored = extra_state.decode(extra)
    if stored is None or stored.constants == _digest(given):
        return True
    pairs = zip(given, own, strict=True)
    return all(torch.equal(x, y.to(x.device, x.dtype)) for x, y in pairs)


def _digest(constants: ScalingTensors) -> bytes:
    return extra_state.constants_digest(extra_state.constants_of(constants))
