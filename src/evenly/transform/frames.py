"""Frames of any kind, through narwhals: pandas, polars, PyArrow, DuckDB relations.

A frame comes back as its own kind: the columns of the moments scaled, all others
untouched, nulls still null, order and index kept. The arithmetic is that of the kernel,
written as expressions, so that a lazy frame stays lazy.
"""

import sys
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np

from evenly.block import GroupKeys
from evenly.columns import check_time_units
from evenly.errors import (
    ColumnError,
    DataError,
    UnsupportedTypeError,
    check_choice,
    format_names,
)
from evenly.sources.arrow_group_keys import concat_keys
from evenly.sources.arrow_input import checked
from evenly.sources.frames import open_frame
from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import cross_keys
from evenly.transform.dtypes import result_dtype
from evenly.transform.group_scaling import GroupScaling, RowIndices
from evenly.transform.scaling import MISSING_POLICIES, Scaling

Numbers = tuple[Any, Any, Any, Any]

_RESULTS = {"float32": nw.Float32, "float64": nw.Float64}
_TIMES = (nw.Datetime, nw.Duration)
_INT64 = (nw.Int64, nw.UInt64, *_TIMES)
_TEMP_COLUMN = "evenly {} of {}"


def scale_frame(
    x: Any, scaling: Scaling, *, dtype: Any = None, missing: str = "keep", feature_axis: int = -1
) -> Any:
    """Return a frame of the kind of ``x`` with its columns scaled by name.

    Raises
    ------
    ColumnError
        When the frame lacks a column of the moments, or the moments have no names.
    UnsupportedTypeError
        When a column is not numeric, or narwhals does not know the kind of frame.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    frame, back = to_narwhals(x)
    schema = {str(name): (name, kind) for name, kind in frame.collect_schema().items()}
    names = match_columns(scaling.columns, list(schema))
    if not scaling.inverse:
        check_time_units(names, scaling.dtypes, [dtype_of(schema[name][1]) for name in names])
    expressions = [
        expression(*schema[name], _constants(scaling, index), scaling.inverse, dtype, missing)
        for index, name in enumerate(names)
    ]
    return back(frame.with_columns(*expressions))


def to_narwhals(x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return a narwhals frame, and the function that makes its native kind of one."""
    x = checked(x, "the frame")  # before PyArrow's kernels use its buffers
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(x, pyarrow.RecordBatch):
        return nw.from_native(pyarrow.Table.from_batches([x])), _record_batch
    try:
        return nw.from_native(x), nw.to_native
    except TypeError:
        raise UnsupportedTypeError(
            "A frame must be one of pandas, polars, PyArrow, DuckDB or another that narwhals "
            f"knows. Received: {type(x).__module__}.{type(x).__name__}. Convert it first."
        ) from None


def _record_batch(frame: Any) -> Any:
    table = nw.to_native(frame).combine_chunks()
    if batches := table.to_batches():
        return batches[0]
    return sys.modules["pyarrow"].RecordBatch.from_pylist([], schema=table.schema)


def match_columns(columns: tuple[str, ...] | None, present: list[str]) -> tuple[str, ...]:
    """Return the moments' columns, after checking that a frame has them all."""
    if columns is None:
        raise ColumnError(
            "A frame is matched by name, and these moments have no column names: they were "
            f"fitted on an array. Received: a frame with {format_names(present)}. Pass an array "
            "(frame.to_numpy()), or fit on a frame."
        )
    if absent := [name for name in columns if name not in set(present)]:
        unknown = [name for name in present if name not in set(columns)]
        raise ColumnError(
            f"The frame must have every column of the moments. Missing: {format_names(absent)}. "
            f"Unknown to the moments: {format_names(unknown) or 'none'}. Rename the frame's "
            "columns, or take part of the moments with moments.select(...)."
        )
    return columns


def _constants(scaling: Scaling, index: int) -> Numbers:
    hi, lo, factor = (float(part[index]) for part in (scaling.hi, scaling.lo, scaling.factor))
    return hi, lo, factor, None if scaling.power is None else 2.0 ** int(scaling.power[index])


def expression(
    name: Any, kind: Any, numbers: Numbers, inverse: bool, dtype: Any, missing: str
) -> Any:
    """Return the expression of one column; a division by a power of two is exact.

    The numbers are hi, lo, factor and power: floats, or expressions of one a row.
    """
    result = _result(name, kind, dtype)
    hi, lo, factor, scale = numbers
    power = 1.0 if scale is None else scale
    if inverse:
        y = (nw.col(name).cast(nw.Float64) * factor + lo + hi) / power
    elif kind in _INT64 and scale is None:
        y = (_subtract_int64(nw.col(name), kind, hi) - lo) * factor
    else:
        y = (nw.col(name).cast(nw.Float64) * power - hi - lo) * factor
    if missing == "zero":
        y = y.fill_null(0.0).fill_nan(0.0)
    return y.cast(result)


def dtype_of(kind: Any) -> str:
    """Return the name that moments have for a dtype of narwhals, as far as its unit goes."""
    if kind == nw.Datetime:
        return f"timestamp[{kind.time_unit}]"
    if kind == nw.Duration:
        return f"duration[{kind.time_unit}]"
    return "" if kind in (nw.Date, nw.Time) else str(kind).lower()


def _result(name: Any, kind: Any, dtype: Any) -> Any:
    """Return narwhals' dtype for the result of a column of this kind."""
    if not (kind.is_numeric() or kind == nw.Boolean or kind in _TIMES):
        raise UnsupportedTypeError(
            f"Only numbers and booleans can be scaled. Received: column {name!r} of type {kind}. "
            "Convert it, or leave it out with moments.select(...)."
        )
    given = "float64" if kind in (nw.Float64, nw.Decimal) else "float32"
    result = result_dtype(given, dtype)
    if result not in _RESULTS:
        raise UnsupportedTypeError(
            f"A frame's result is float32 or float64. Received: dtype={dtype!r}."
        )
    return _RESULTS[result]


def _subtract_int64(x: Any, kind: Any, hi: Any) -> Any:
    """Return ``x - hi`` for integers of 64 bits, which a float64 need not hold: in two parts.

    A timestamp is the integer that counts its unit, as it was when it was fitted.
    """
    kind, null = (nw.Int64, x.is_null()) if kind in _TIMES else (kind, None)
    x = x if null is None else x.cast(nw.Int64)
    parts = nw.lit(4096, kind)  # of x's type: Arrow would look for a common, smaller one
    upper = x // parts
    lower = (x - upper * parts).cast(nw.Float64)
    centred = (upper.cast(nw.Float64) * 4096.0 - hi) + lower
    return centred if null is None else nw.when(~null).then(centred)  # pandas: NaT was a number


def scale_frame_by_group(
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
    check_choice("missing", missing, MISSING_POLICIES)
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
            f"by= must have one key per row. Received: {len(rows)} keys for {len(frame)} rows."
        )
    for index, name in enumerate(names):
        _check_defined(frame[schema[name][0]], scaling, index, rows)
        frame = _scale_column(frame, *schema[name], scaling, index, rows, dtype, missing)
    return back(frame)


def _keys(x: Any, scaling: GroupScaling, by: Any) -> GroupKeys:
    """Return the keys of a frame's rows: those given, or its own columns."""
    if by is not None and not isinstance(by, str):
        return factorize_array(by)
    named = scaling.by if by is None else by
    if named is None:
        raise DataError(
            "These groups have no columns by name, so by= must have one key per row. "
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
    batches = table.column_batches((), tuple(names))
    return concat_keys([cross_keys(columns) for columns, _ in batches])


def _check_defined(series: Any, scaling: GroupScaling, index: int, rows: RowIndices) -> None:
    """Check that the values of a column that are there can be scaled."""
    if not np.isnan(scaling.factor[:-1, index]).any() and scaling.constant != "error":
        return
    there = ~series.is_null().to_numpy().astype(bool)
    if series.dtype.is_float():
        there &= ~series.is_nan().fill_null(True).to_numpy().astype(bool)
    scaling.check_defined(index, rows, there)


def _scale_column(
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
    hi, lo, factor, power = scaling.lookup(index, rows)
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
        return sys.modules["duckdb"].from_arrow(scale_frame_by_group(table, scaling, **options))
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(x, polars.LazyFrame):
        raise UnsupportedTypeError(
            "A lazy frame must be one of polars or DuckDB to be scaled by group. "
            f"Received: {type(x).__module__}.{type(x).__name__}. Collect it first."
        )
    empty = scale_frame_by_group(polars.DataFrame(schema=x.collect_schema()), scaling, **options)
    return x.map_batches(
        lambda part: scale_frame_by_group(part, scaling, **options), schema=empty.schema
    )
