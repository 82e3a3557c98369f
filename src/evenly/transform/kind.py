"""What kind of thing was passed, without importing the package that made it."""

import sys
from typing import Any


def kind_of(x: Any) -> str:
    """Return ``"tensor"``, ``"frame"`` or ``"array"`` (which is also: we shall see).

    Who holds a tensor has imported torch, so a look into `sys.modules` is enough. A
    frame is what has columns or a schema, and no dtype of its own. (Its class is asked:
    a lazy frame would have to plan its query to tell its columns.)
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return "tensor"
    if hasattr(x, "dtype") or hasattr(x, "__array_interface__"):
        return "array"
    named = hasattr(type(x), "columns") or hasattr(type(x), "schema")
    return "frame" if named else "array"
