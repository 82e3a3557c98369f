"""Scale any container: choose the module for its type, and import it on first use."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from evenly.dispatch import container_kind, engine_of, is_statistics, with_article
from evenly.errors import DataError, UnsupportedTypeError, check_choice
from evenly.sources.feature_axis import check_table_axis
from evenly.transform.arrays import scale_array
from evenly.transform.scaling import MISSING_POLICIES, ResultOptions, Scaling
from evenly.typing import FeatureAxis

if TYPE_CHECKING:  # only needed for groups
    from evenly.block import GroupKeys
    from evenly.transform.group_scaling import GroupScaling

_TABLES = "frame", "series", "mapping"
_NOUNS = {"frame": "frame", "mapping": "dict", "collection": "collection"}


def transform(
    x: object,
    scaling: Scaling,
    *,
    out: object = None,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> Any:
    """Return numeric data scaled, in the container type of ``x``.

    Raises
    ------
    UnsupportedTypeError
        When ``out`` is given, and ``x`` is neither an array nor a tensor.
    """
    if type(x) is np.ndarray:
        return scale_array(
            x, scaling, out=out, dtype=dtype, missing=missing, feature_axis=feature_axis
        )
    check_choice("missing", missing, MISSING_POLICIES)
    options: ResultOptions = {"dtype": dtype, "missing": missing}
    engine = engine_of(x)
    kind = container_kind(x) if engine is None else "collection"
    if out is not None and kind in _NOUNS:
        raise UnsupportedTypeError(
            "out= takes an array or a tensor, and x must be one too. Received: "
            f"x of type {type(x).__name__}. Omit out=: a new {_NOUNS[kind]} is returned."
        )
    if engine is not None:
        return engine.transform(x, scaling, {**options, "feature_axis": feature_axis})
    if kind in _TABLES:
        _check_table(x, feature_axis)
    if kind == "tensor":
        from evenly.transform.tensors import scale_tensor

        return scale_tensor(x, scaling, out=out, feature_axis=feature_axis, **options)
    if kind == "array" or out is not None:
        return scale_array(x, scaling, out=out, feature_axis=feature_axis, **options)
    return _SCALERS[kind](x, scaling, feature_axis, options)


def _check_table(x: object, feature_axis: FeatureAxis) -> None:
    """Check that x, which has the methods of a table, is data, and that it needs no axis."""
    if is_statistics(x):
        raise UnsupportedTypeError(
            f"Only data can be normalized. Received: {type(x).__name__}, which has statistics."
        )
    check_table_axis(feature_axis, with_article(type(x).__name__))


def _scale_labeled(
    x: object, scaling: Scaling, feature_axis: FeatureAxis, options: ResultOptions
) -> Any:
    from evenly.sources.fill_values import column_of, time_kind
    from evenly.transform.columns import ColumnScaler, scale_list
    from evenly.transform.labeled import scale_labeled

    def scale_data(data: Any, part: Scaling, axis: int) -> Any:
        if time_kind(data.dtype):
            column = column_of(np.asarray(data))
            return scale_list(ColumnScaler(part, **options), 0, column).reshape(data.shape)
        return transform(data, part, feature_axis=axis, **options)

    return scale_labeled(x, scaling, feature_axis, scale_data)


def _scale_mapping(x: object, scaling: Scaling, _: FeatureAxis, options: ResultOptions) -> Any:
    from evenly.transform.columns import ColumnScaler
    from evenly.transform.mappings import scale_mapping

    columns = cast("Mapping[Any, Any]", x)
    scaler = ColumnScaler(scaling, **options)
    scale_values = partial(transform, **options)
    return scale_mapping(columns, scaling, scale_values=scale_values, scaler=scaler)


def _scale_series(x: object, scaling: Scaling, _: FeatureAxis, options: ResultOptions) -> Any:
    from evenly.transform.frames import scale_frame
    from evenly.transform.series import scale_series

    return scale_series(x, scaling, partial(scale_frame, **options))


def _scale_frame(x: object, scaling: Scaling, _: FeatureAxis, options: ResultOptions) -> Any:
    from evenly.transform.frames import scale_frame

    return scale_frame(x, scaling, **options)


_Scale: TypeAlias = Callable[[object, Scaling, FeatureAxis, ResultOptions], Any]
_SCALERS: dict[str, _Scale] = {
    "labeled": _scale_labeled,
    "mapping": _scale_mapping,
    "series": _scale_series,
    "frame": _scale_frame,
}


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
    options: ResultOptions = {"dtype": dtype, "missing": missing}
    engine = engine_of(x)
    if engine is not None:
        scale = partial(
            transform_by_group,
            scaling=scaling,
            by=by,
            unknown=unknown,
            feature_axis=feature_axis,
            **options,
        )
        return engine.map_partitions(x, scale)
    kind = container_kind(x)
    if kind in _TABLES:
        _check_table(x, feature_axis)
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

    scale_by_keys: _ScaleByKeys = _GROUP_SCALERS.get(kind, _scale_array_by_group)
    return scale_by_keys(x, scaling, factorize_array(by), unknown, feature_axis, options)


def _scale_mapping_by_group(
    x: object, scaling: "GroupScaling", by: object, unknown: str, options: ResultOptions
) -> Any:
    from evenly.sources.mappings import MappingTable
    from evenly.transform.columns import GroupColumnScaler
    from evenly.transform.frames import keys_of_rows
    from evenly.transform.mappings import scale_mapping

    columns = cast("Mapping[Any, Any]", x)
    keys = keys_of_rows(MappingTable(columns, "the dict"), scaling, by)
    rows = scaling.row_indices(keys, unknown)
    return scale_mapping(
        columns,
        scaling,
        scale_values=partial(transform_by_group, by=keys, unknown=unknown, **options),
        scaler=GroupColumnScaler(scaling, rows, **options),
    )


def _scale_array_by_group(
    x: object,
    scaling: "GroupScaling",
    keys: "GroupKeys",
    unknown: str,
    feature_axis: FeatureAxis,
    options: ResultOptions,
) -> Any:
    from evenly.transform.grouped_arrays import scale_array_by_group

    rows = scaling.row_indices(keys, unknown)
    return scale_array_by_group(x, scaling, rows, feature_axis=feature_axis, **options)


def _scale_tensor_by_group(
    x: Any,
    scaling: "GroupScaling",
    keys: "GroupKeys",
    unknown: str,
    feature_axis: FeatureAxis,
    options: ResultOptions,
) -> Any:
    from evenly.transform.tensors import scale_tensor_by_group

    rows = scaling.row_indices(keys, unknown)
    return scale_tensor_by_group(x, scaling, rows, feature_axis=feature_axis, **options)


def _scale_series_by_group(
    x: object,
    scaling: "GroupScaling",
    keys: "GroupKeys",
    unknown: str,
    _: FeatureAxis,
    options: ResultOptions,
) -> Any:
    from evenly.transform.frames import scale_frame_by_group
    from evenly.transform.series import scale_series

    scale_table = partial(scale_frame_by_group, by=keys, unknown=unknown, **options)
    return scale_series(x, scaling, scale_table)


def _scale_labeled_by_group(
    x: object,
    scaling: "GroupScaling",
    keys: "GroupKeys",
    unknown: str,
    feature_axis: FeatureAxis,
    options: ResultOptions,
) -> Any:
    from evenly.transform.labeled import scale_labeled

    def scale_data(data: object, part: "GroupScaling", axis: int) -> Any:
        return transform_by_group(
            data, part, by=keys, unknown=unknown, feature_axis=axis, **options
        )

    return scale_labeled(x, scaling, feature_axis, scale_data)


_ScaleByKeys: TypeAlias = Callable[[Any, Any, Any, str, FeatureAxis, ResultOptions], Any]
_GROUP_SCALERS: dict[str, _ScaleByKeys] = {
    "tensor": _scale_tensor_by_group,
    "series": _scale_series_by_group,
    "labeled": _scale_labeled_by_group,
}
"""The functions for containers whose keys are given row by row; others become arrays."""
