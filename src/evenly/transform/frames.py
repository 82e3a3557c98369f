"""Scale data frames: pandas, polars, PyArrow, DuckDB relations.

The result has the type of the input: the columns of the moments are scaled, all others are
unchanged, nulls stay null, and order and index are kept. A column is read as `evenly.fit` reads it,
so what can be fitted can be normalized. A lazy frame stays lazy.
"""

import sys
from collections import Counter
from typing import Any

from evenly.block import GroupKeys
from evenly.columns import check_time_units
from evenly.dispatch import is_frame
from evenly.errors import (
    ColumnError,
    DataError,
    UnsupportedTypeError,
    check_choice,
    format_names,
)
from evenly.sources.arrow_group_keys import concat_keys
from evenly.sources.arrow_input import validate_arrow
from evenly.sources.fields import NULL, Field, is_selectable
from evenly.sources.frames import open_table
from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import cross_keys
from evenly.sources.tables import Table
from evenly.transform.columns import ColumnScaler, GroupColumnScaler
from evenly.transform.expressions import scale_by_expressions
from evenly.transform.group_scaling import GroupScaling
from evenly.transform.native_columns import replacer_of
from evenly.transform.scaling import MISSING_POLICIES, Scaling

_LABEL = "the frame"


def scale_frame(x: object, scaling: Scaling, *, dtype: object = None, missing: str = "keep") -> Any:
    """Return a frame of the type of ``x``, with its columns scaled by name.

    Raises
    ------
    ColumnError
        When the frame lacks a column of the moments, or the moments have no names.
    UnsupportedTypeError
        When a column is not numeric, or the library of the frame is not supported.
    """
    table = _open(x)
    fields = table.fields
    positions = find_columns(scaling, fields)
    replace = replacer_of(x)
    if replace is None:
        names = tuple(fields[position].name for position in positions)
        return scale_by_expressions(x, fields, names, scaling, dtype=dtype, missing=missing)
    return replace(x, table, positions, ColumnScaler(scaling, dtype=dtype, missing=missing))


def scale_frame_by_group(
    x: Any,
    scaling: GroupScaling,
    *,
    by: Any,
    unknown: str,
    dtype: Any = None,
    missing: str = "keep",
) -> Any:
    """Return a frame of the type of ``x``, with each row scaled by its group.

    Raises
    ------
    ColumnError
        When the frame lacks a column of the moments, or a column of keys.
    UnsupportedTypeError
        When a column is not numeric.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    options: dict[str, Any] = {"by": by, "unknown": unknown, "dtype": dtype, "missing": missing}
    polars = sys.modules.get("polars")
    replace = replacer_of(x)
    if replace is None or (polars is not None and isinstance(x, polars.LazyFrame)):
        return _scale_lazy(x, scaling, options)
    table = _open(x)
    positions = find_columns(scaling, table.fields)
    rows = scaling.row_indices(keys_of_rows(table, scaling, by), unknown)
    number = x.num_rows if hasattr(x, "num_rows") else len(x)
    if len(rows) != number:
        raise DataError(
            f"by= must have one key per row. Received: {len(rows)} keys for {number} rows."
        )
    scaler = GroupColumnScaler(scaling, rows, dtype=dtype, missing=missing)
    return replace(x, table, positions, scaler)


def _open(x: object) -> Table:
    """Return a frame as a table, as it is fitted."""
    if not is_frame(x):
        raise UnsupportedTypeError(
            "A frame must come from pandas, polars, PyArrow, DuckDB or another library that "
            f"narwhals supports. Received: {type(x).__module__}.{type(x).__name__}. "
            "Convert it first."
        )
    return open_table(validate_arrow(x, _LABEL), _LABEL)


def find_columns(scaling: Scaling | GroupScaling, fields: tuple[Field, ...]) -> list[int]:
    """Return the position of each column of the moments, after checking its type.

    Raises
    ------
    ColumnError
        When a column is missing or not unique, or the moments have no names.
    UnsupportedTypeError
        When a column is not numeric.
    DataError
        When a column of times has another unit than when it was fitted.
    """
    present = [field.name for field in fields]
    names = require_columns(scaling.columns, present)
    positions = dict(zip(present, range(len(present)), strict=True))
    chosen = [positions[name] for name in names]
    kinds = [fields[position].kind for position in chosen]
    if unsuitable := {kind for kind in set(kinds) if not is_selectable(kind)}:
        name, kind = next(pair for pair in zip(names, kinds, strict=True) if pair[1] in unsuitable)
        raise UnsupportedTypeError(
            "Only numbers, booleans and times can be scaled. Received: column "
            f"{name!r} of type {kind}. Convert it, or leave it out with moments.select(...)."
        )
    if not scaling.inverse:
        check_time_units(names, scaling.dtypes, ["" if kind == NULL else kind for kind in kinds])
    return chosen


def require_columns(columns: tuple[str, ...] | None, present: list[str]) -> tuple[str, ...]:
    """Return the columns of the moments, after checking that a frame has each of them once."""
    if columns is None:
        raise ColumnError(
            "Frames are matched by name, and these moments have no column names, since they were "
            f"fitted on an array. Received: a frame with {format_names(present)}. Pass an array "
            "(frame.to_numpy()), or fit a frame."
        )
    if list(columns) == present:
        return columns
    times = Counter(present)
    if absent := [name for name in columns if not times[name]]:
        unknown = [name for name in present if name not in set(columns)]
        raise ColumnError(
            f"The frame must have every column of the moments. Missing: {format_names(absent)}. "
            f"Unknown to the moments: {format_names(unknown) or 'none'}. Rename the frame's "
            "columns, or select columns of the moments with moments.select(...)."
        )
    if repeated := [name for name in columns if times[name] > 1]:
        raise ColumnError(
            "Every column needs a name of its own. Received: a frame with "
            f"{repeated[0]!r} {times[repeated[0]]} times. Rename one."
        )
    return columns


def keys_of_rows(table: Table, scaling: GroupScaling, by: object) -> GroupKeys:
    """Return the keys of the rows of a frame: the given keys, or columns of the frame."""
    if by is not None and not isinstance(by, str):
        return factorize_array(by)
    key_columns = scaling.by if by is None else by
    if key_columns is None:
        raise DataError(
            "These groups have no key columns, so by= must have one key per row. "
            "Received: a frame, and no by=. Pass by=keys."
        )
    names = (key_columns,) if isinstance(key_columns, str) else key_columns
    present = [field.name for field in table.fields]
    if absent := [name for name in names if name not in present]:
        raise ColumnError(
            f"The frame must have every key column. Missing: {format_names(absent)}. "
            f"Received: {format_names(present)}. Rename a column, or pass by=keys."
        )
    batches = table.column_batches((), tuple(names))
    return concat_keys([cross_keys(columns) for columns, _ in batches])


def _scale_lazy(x: Any, scaling: GroupScaling, options: dict[str, Any]) -> Any:
    """Return a polars frame that is scaled when collected, or a DuckDB relation."""
    if options["by"] is not None:
        raise UnsupportedTypeError(
            "A lazy frame has no rows yet, so keys must be a column. Received: by= with "
            f"{type(x).__name__}. Add the keys as a column, or collect the frame."
        )
    if type(x).__name__ == "DuckDBPyRelation":
        table = x.to_arrow_table() if hasattr(x, "to_arrow_table") else x.arrow()
        return sys.modules["duckdb"].from_arrow(scale_frame_by_group(table, scaling, **options))
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(x, polars.LazyFrame):
        raise UnsupportedTypeError(
            "To be scaled by group, a lazy frame must come from polars or DuckDB. "
            f"Received: {type(x).__module__}.{type(x).__name__}. Collect it first."
        )
    empty = scale_frame_by_group(polars.DataFrame(schema=x.collect_schema()), scaling, **options)
    return x.map_batches(
        lambda batch: scale_frame_by_group(batch, scaling, **options), schema=empty.schema
    )
