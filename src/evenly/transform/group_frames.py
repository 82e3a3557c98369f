"""Frames by group: each row's numbers are looked up by its key, in the order of the rows.

The expressions are those of every frame, with a column of numbers where these have one number.
"""

import sys
from typing import Any

import narwhals as nw
import numpy as np

from evenly.block import GroupKeys
from evenly.columns import check_time_units
from evenly.errors import ColumnError, DataError, UnsupportedTypeError, format_names
from evenly.sources.arrow_group_keys import concat_keys
from evenly.sources.frames import open_frame
from evenly.sources.group_keys import KeyName, cross_keys, factorize_array
from evenly.transform.frames import dtype_of, expression, match_columns, to_narwhals
from evenly.transform.group_scaling import GroupScaling, RowIndices

_TEMP_COLUMN = "evenly {} of {}"


def scale_frame(
    x: Any,
    scaling: GroupScaling,
    *,
    by: Any,
    unknown: str,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: int = -1,
) -> Any:
    """Return a frame of the kind of ``x`` with its columns scaled by name, each row by its group.

    Raises
    ------
    ColumnError
        When the frame lacks a column of the moments, or of keys.
    UnsupportedTypeError
        When a column is not numeric.
    """
    options: dict[str, Any] = {"by": by, "unknown": unknown, "dtype": dtype, "missing": missing}
    frame, back = to_narwhals(x)
    if isinstance(frame, nw.LazyFrame):
        return _scale_lazy(x, scaling, options)
    schema = {str(name): (name, kind) for name, kind in frame.schema.items()}
    names = match_columns(scaling.columns, list(schema))
    if not scaling.inverse:
        check_time_units(names, scaling.dtypes, [dtype_of(schema[name][1]) for name in names])
    rows = scaling.row_indices(_keys(x, scaling, by), unknown)
    if len(rows) != len(frame):
        raise DataError(
            f"by= must have one key a row. Received: {len(rows)} keys for {len(frame)} rows."
        )
    for index, name in enumerate(names):
        _check(frame[schema[name][0]], scaling, index, rows)
        frame = _scaled(frame, *schema[name], scaling, index, rows, dtype, missing)
    return back(frame)


def _keys(x: Any, scaling: GroupScaling, by: Any) -> GroupKeys:
    """Return the keys of a frame's rows: those given, or its own columns."""
    if by is not None and not isinstance(by, str):
        return factorize_array(by)
    named = scaling.by if by is None else by
    if named is None:
        raise DataError(
            "These groups have no columns by name, so by= must have one key a row. "
            "Received: a frame, and no by=. Pass by=keys."
        )
    names = (named,) if isinstance(named, str) else named
    table = open_frame(x, "the frame")
    present = [field.name for field in table.fields]
    if absent := [name for name in names if name not in present]:
        raise ColumnError(
            f"The frame must have every column of keys. Missing: {format_names(absent)}. "
            f"Received: {format_names(present)}. Rename one, or pass by=keys."
        )
    wanted = tuple(map(KeyName, names))
    return concat_keys([cross_keys(columns) for columns, _ in table.column_batches(wanted)])


def _check(series: Any, scaling: GroupScaling, index: int, rows: RowIndices) -> None:
    """Check that the values of a column that are there can be scaled."""
    if not np.isnan(scaling.factor[:-1, index]).any() and scaling.constant != "error":
        return
    there = ~series.is_null().to_numpy().astype(bool)
    if series.dtype.is_float():
        there &= ~series.is_nan().fill_null(True).to_numpy().astype(bool)
    scaling.check(index, rows, there)


def _scaled(
    frame: Any,
    name: Any,
    kind: Any,
    scaling: GroupScaling,
    index: int,
    rows: RowIndices,
    dtype: Any,
    missing: str,
) -> Any:
    """Return the frame with one column scaled."""
    hi, lo, factor, power = scaling.part(index, rows)
    scale = None if power is None else np.exp2(power.astype(np.float64))
    parts = {"hi": hi, "lo": lo, "factor": factor, "scale": scale}
    ours = {
        part: _TEMP_COLUMN.format(part, name)
        for part, values in parts.items()
        if values is not None
    }
    backend = frame.implementation
    columns = [nw.new_series(ours[part], parts[part], nw.Float64, backend=backend) for part in ours]
    numbers: Any = [nw.col(ours[part]) if part in ours else None for part in parts]
    y = expression(name, kind, tuple(numbers), scaling.inverse, dtype, missing)
    return frame.with_columns(*columns).with_columns(y).drop(*ours.values())


def _scale_lazy(x: Any, scaling: GroupScaling, options: dict[str, Any]) -> Any:
    """Return a lazy frame of polars that is scaled when it is collected; a relation of DuckDB."""
    if options["by"] is not None:
        raise UnsupportedTypeError(
            "A lazy frame has no rows yet that keys could belong to. Received: by= with "
            f"{type(x).__name__}. Put the keys into a column of it, or collect it."
        )
    if type(x).__name__ == "DuckDBPyRelation":
        table = x.to_arrow_table() if hasattr(x, "to_arrow_table") else x.arrow()
        return sys.modules["duckdb"].from_arrow(scale_frame(table, scaling, **options))
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(x, polars.LazyFrame):
        raise UnsupportedTypeError(
            "A lazy frame must be one of polars or DuckDB to be scaled by group. "
            f"Received: {type(x).__module__}.{type(x).__name__}. Collect it first."
        )
    empty = scale_frame(polars.DataFrame(schema=x.collect_schema()), scaling, **options)
    return x.map_batches(lambda part: scale_frame(part, scaling, **options), schema=empty.schema)
