"""What kind of thing was passed, without importing the package that made it."""

import sys
from typing import Any


def kind_of(x: Any) -> str:
    """Return ``"tensor"``, ``"frame"`` or ``"array"`` (which is also: we shall see).

    Who holds a tensor has imported torch, so a look into `sys.modules` is enough. A
    frame is what streams Arrow data or has named columns; a PyArrow or polars column
    streams Arrow too, but it has one dtype, as arrays have.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return "tensor"
    if hasattr(x, "dtype") or hasattr(x, "__array_interface__"):
        return "array"
    if hasattr(x, "columns") or hasattr(x, "__arrow_c_stream__") or hasattr(x, "schema"):
        return "frame"
    return "array"
