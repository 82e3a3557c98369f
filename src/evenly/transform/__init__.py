"""Normalization: ``(x - mean) / std`` and its inverse, for arrays, tensors and frames.

`transform` and `transform_by_group` inspect the type of ``x`` and call the module for it. None of
them knows `Moments`: they take a `Scaling`, three float64 numbers per column, or a `GroupScaling`,
a table of those with one row per group.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.dispatch import container_kind, engine_of
from evenly.errors import DataError, UnsupportedTypeError, check_choice
from evenly.transform.arrays import scale_array, scale_array_by_group
from evenly.transform.scaling import (
    CONSTANT_POLICIES,
    MISSING_POLICIES,
    Scaling,
    fast_scaling,
    scaling,
)
from evenly.typing import FeatureAxis

if TYPE_CHECKING:  # only needed for groups
    from evenly.transform.group_scaling import GroupScaling

__all__ = [
    "CONSTANT_POLICIES",
    "Scaling",
    "fast_scaling",
    "scaling",
    "transform",
    "transform_by_group",
]


def transform(
    x: Any,
    scaling: Scaling,
    *,
    out: Any = None,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> Any:
    """Return numeric data scaled, in the container type of ``x``."""
    if type(x) is np.ndarray:
        return scale_array(
            x, scaling, out=out, dtype=dtype, missing=missing, feature_axis=feature_axis
        )
    check_choice("missing", missing, MISSING_POLICIES)
    options: dict[str, Any] = {"dtype": dtype, "missing": missing}
    engine = engine_of(x)
    kind = container_kind(x) if engine is None else "collection"
    if out is not None and kind in ("frame", "mapping", "collection"):
        raise UnsupportedTypeError(
            "out= takes an array or a tensor, and x must be one too. Received: "
            f"x of type {type(x).__name__}. Omit out=: a new {_NOUNS[kind]} is returned."
        )
    if engine is not None:
        return engine.transform(x, scaling, options | {"feature_axis": feature_axis})
    if kind == "tensor":
        from evenly.transform.tensors import scale_tensor

        return scale_tensor(x, scaling, out=out, feature_axis=feature_axis, **options)
    if kind == "array" or out is not None:
        return scale_array(x, scaling, out=out, feature_axis=feature_axis, **options)
    if kind == "labeled":
        from evenly.transform.labeled import scale_labeled

        def scale_data(data: object, part: Scaling, axis: int) -> Any:
            return transform(data, part, feature_axis=axis, **options)

        return scale_labeled(x, scaling, feature_axis, scale_data)
    if kind == "mapping":
        from evenly.transform.columns import ColumnScaler
        from evenly.transform.mappings import scale_mapping

        scaler = ColumnScaler(scaling, **options)
        return scale_mapping(x, scaling, scale_values=partial(transform, **options), scaler=scaler)
    from evenly.transform.frames import scale_frame
    from evenly.transform.series import scale_series

    def scale_table(frame: object, part: Scaling) -> Any:
        return scale_frame(frame, part, **options)

    return scale_series(x, scaling, scale_table) if kind == "series" else scale_table(x, scaling)


_NOUNS = {"frame": "frame", "mapping": "dict", "collection": "collection"}


def transform_by_group(
    x: object,
    scaling: "GroupScaling",
    *,
    by: object,
    unknown: str,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
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
    options: dict[str, Any] = {"dtype": dtype, "missing": missing}
    engine = engine_of(x)
    if engine is not None:
        work = partial(
            transform_by_group,
            scaling=scaling,
            by=by,
            unknown=unknown,
            feature_axis=feature_axis,
            **options,
        )
        return engine.map_partitions(x, work)
    kind = container_kind(x)
    if kind == "frame":
        from evenly.transform.frames import scale_frame_by_group

        return scale_frame_by_group(x, scaling, by=by, unknown=unknown, **options)
    if kind == "mapping":
        return _scale_mapping_by_group(x, scaling, by, unknown, options)
    if by is None:
        raise DataError(
            "An array has no key columns, so by= must have one key per row. "
            f"Received: {type(x).__name__}, and no by=. Pass by=keys, or a frame."
        )
    from evenly.sources.group_by import factorize_array

    keys = factorize_array(by)
    if kind == "series":
        from evenly.transform.frames import scale_frame_by_group
        from evenly.transform.series import scale_series

        scale_table = partial(scale_frame_by_group, by=keys, unknown=unknown, **options)
        return scale_series(x, scaling, scale_table)
    if kind == "labeled":
        from evenly.transform.labeled import scale_labeled

        def scale_data(data: object, part: "GroupScaling", axis: int) -> Any:
            how = options | {"unknown": unknown, "feature_axis": axis}
            return transform_by_group(data, part, by=keys, **how)

        return scale_labeled(x, scaling, feature_axis, scale_data)
    rows = scaling.row_indices(keys, unknown)
    if kind == "tensor":
        from evenly.transform.tensors import scale_tensor_by_group

        return scale_tensor_by_group(x, scaling, rows, feature_axis=feature_axis, **options)
    return scale_array_by_group(x, scaling, rows, feature_axis=feature_axis, **options)


def _scale_mapping_by_group(
    x: Any, scaling: "GroupScaling", by: Any, unknown: str, options: dict[str, Any]
) -> Any:
    """Return a dict of columns scaled by group."""
    from evenly.sources.mappings import MappingTable
    from evenly.transform.columns import GroupColumnScaler
    from evenly.transform.frames import keys_of
    from evenly.transform.mappings import scale_mapping

    keys = keys_of(MappingTable(x, "the dict"), scaling, by)
    rows = scaling.row_indices(keys, unknown)
    return scale_mapping(
        x,
        scaling,
        scale_values=partial(transform_by_group, by=keys, unknown=unknown, **options),
        scaler=GroupColumnScaler(scaling, rows, **options),
    )
