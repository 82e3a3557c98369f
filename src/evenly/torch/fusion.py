"""Let `torch.ao.quantization.fuse_modules` fuse evenly's batch norms.

It looks up the exact classes of the layers in a table of torch, and has no registration for
other classes. So the table gets a row with evenly's class for each row with torch's.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import nn

try:
    from torch.ao.quantization import fuser_method_mappings
except ImportError:  # a torch without torch.ao
    fuser_method_mappings = None

TABLE = "_DEFAULT_OP_LIST_TO_FUSER_METHOD"
Fuse = Callable[..., nn.Module]


def allow_fusing(
    to_torch: dict[type[nn.Module], type[nn.Module]],
    convert_layer: Callable[[bool, nn.Module], nn.Module],
) -> None:
    """Add rows for evenly's classes, which are converted to torch's before they are fused.

    Parameters
    ----------
    to_torch
        evenly's classes and the corresponding classes of torch.
    convert_layer
        Converts a layer; called with whether the fused layers are trained, and the layer.
    """
    table: dict[Any, Fuse] = getattr(fuser_method_mappings, TABLE, {})
    for new, old in to_torch.items():
        for layers, fuse in list(table.items()):
            if old in layers:
                ours = tuple(new if layer is old else layer for layer in layers)
                table[ours] = _convert_first(fuse, convert_layer)


def _convert_first(fuse: Fuse, convert_layer: Callable[[bool, nn.Module], nn.Module]) -> Fuse:
    @wraps(fuse)
    def fuse_converted(is_qat: bool, *layers: nn.Module) -> nn.Module:
        return fuse(is_qat, *(convert_layer(is_qat, layer) for layer in layers))

    return fuse_converted
