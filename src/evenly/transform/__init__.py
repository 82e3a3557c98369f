"""Normalization: ``(x - mean) / std`` and its inverse, for arrays, tensors and frames.

`transform` and `transform_by_group` inspect the type of ``x`` and call the module for it. None of
them knows `Moments`: they take a `Scaling`, three float64 numbers per column, or a `GroupScaling`,
a table of those with one row per group.
"""

from functools import partial
from typing import Any

from evenly.dispatch import container_kind, engine_of
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.group_by import factorize_array
from evenly.transform.group_scaling import GroupScaling
from evenly.transform.scaling import CONSTANT_POLICIES, Scaling, fast_scaling, scaling

__all__ = [
    "CONSTANT_POLICIES",
    "Scaling",
    "fast_scaling",
    "scaling",
    "transform",
    "transform_by_group",
]


def transform(x: Any, scaling: Scaling, *, out: Any = None, **options: Any) -> Any:
    """Return numeric data scaled, in the container type of ``x``."""
    engine = engine_of(x)
    kind = container_kind(x) if engine is None else "collection"
    if out is not None and kind in ("frame", "collection"):
        raise UnsupportedTypeError(
            "out= takes an array or a tensor, and x must be one too. Received: "
            f"x of type {type(x).__name__}. Omit out=: a new {kind} is returned."
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


def transform_by_group(
    x: Any, scaling: GroupScaling, *, by: Any, unknown: str, **options: Any
) -> Any:
    """Return numeric data scaled by group, in the container type of ``x``.

    Parameters
    ----------
    by
        One key per row, or for a frame the names of the columns of keys; None for those of the
        scaling.
    unknown
        How to handle rows whose group is not in the scaling: see `GroupScaling.row_indices`.

    Raises
    ------
    DataError
        When ``x`` is not a frame and ``by`` is None.
    """
    engine = engine_of(x)
    if engine is not None:
        work = partial(transform_by_group, scaling=scaling, by=by, unknown=unknown, **options)
        return engine.map_partitions(x, work)
    kind = container_kind(x)
    if kind == "frame":
        from evenly.transform.frames import scale_frame_by_group

        return scale_frame_by_group(x, scaling, by=by, unknown=unknown, **options)
    if by is None:
        raise DataError(
            "An array has no key columns, so by= must have one key per row. "
            f"Received: {type(x).__name__}, and no by=. Pass by=keys, or a frame."
        )
    rows = scaling.row_indices(factorize_array(by), unknown)
    if kind == "tensor":
        from evenly.transform.tensors import scale_tensor_by_group

        return scale_tensor_by_group(x, scaling, rows, **options)
    from evenly.transform.arrays import scale_array_by_group

    return scale_array_by_group(x, scaling, rows, **options)
