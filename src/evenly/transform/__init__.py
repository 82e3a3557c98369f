"""Normalisation: ``(x - mean) / std`` and back, for arrays, tensors and frames.

`transform` looks at what ``x`` is and hands it to the file of that kind. None of them
knows `Moments`; they deal in a `Scaling`: three float64 numbers a column.
"""

from typing import Any

from evenly.dispatch import container_kind, engine_of
from evenly.errors import UnsupportedTypeError
from evenly.transform.scaling import CONSTANT_POLICIES, Scaling, fast_scaling, scaling

__all__ = ["CONSTANT_POLICIES", "Scaling", "fast_scaling", "scaling", "transform"]


def transform(x: Any, scaling: Scaling, *, out: Any = None, **options: Any) -> Any:
    """Apply a scaling to anything that has numbers; the result is of the kind of ``x``."""
    engine = engine_of(x)
    kind = container_kind(x) if engine is None else "collection"
    if out is not None and kind in ("frame", "collection"):
        raise UnsupportedTypeError(
            "out= takes an array or a tensor, and x must be one too. Received: "
            f"x of type {type(x).__name__}. Leave out= away: a new {kind} comes back."
        )
    if engine is not None:
        return engine.transform(x, scaling, options)
    if kind == "frame":
        from evenly.transform.frames import scale_frame

        return scale_frame(x, scaling, **options)
    if kind == "tensor":
        from evenly.transform.tensors import scale_tensor

        return scale_tensor(x, scaling, out=out, **options)
    from evenly.transform.arrays import scale_array

    return scale_array(x, scaling, out=out, **options)
