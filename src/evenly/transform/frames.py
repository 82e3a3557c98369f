"""Scale data frames with narwhals: pandas, polars, PyArrow, DuckDB relations.

The result has the type of the input: the columns of the moments are scaled, all others are
unchanged, nulls stay null, and order and index are kept. The arithmetic is that of the kernel,
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
from evenly.sources.frames import open_table
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
    """Return a frame of the type of ``x``, with its columns scaled by name.

    Raises
    ------
    ColumnError
        When the frame lacks a column of the moments, or the moments have no names.
    UnsupportedTypeError
        When a column is not numeric, or narwhals does not support the frame.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    frame, back = to_narwhals(x)
    schema = {str(name): (name, given) for name, given in frame.collect_schema().items()}
    names = match_columns(scaling.columns, list(schema))
    if not scaling.inverse:
        check_time_units(names, scaling.dtypes, [dtype_of(schema[name][1]) for name in names])
    expressions = [
        expression(*schema[name], _constants(scaling, index), scaling.inverse, dtype, missing)
        for index, name in enumerate(names)
    ]
    return back(frame.with_columns(*expressions))


def to_narwhals(x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return a narwhals frame, and a function that converts it to the type of ``x``."""
    x = checked(x, "the frame")  # before PyArrow's kernels use its buffers
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(x, pyarrow.RecordBatch):
        return nw.from_native(pyarrow.Table.from_batches([x])), _record_batch
    try:
        return nw.from_native(x), nw.to_native
    except TypeError:
        raise UnsupportedTypeError(
            "A frame must come from pandas, polars, PyArrow, DuckDB or another library that "
            f"narwhals supports. Received: {type(x).__module__}.{type(x).__name__}. "
            "Convert it first."
        ) from None


def _record_batch(frame: Any) -> Any:
    table = nw.to_native(frame).combine_chunks()
    if batches := table.to_batches():
        return batches[0]
    return sys.modules["pyarrow"].RecordBatch.from_pylist([], schema=table.schema)


def match_columns(columns: tuple[str, ...] | None, present: list[str]) -> tuple[str, ...]:
    """Return the columns of the moments, after checking that a frame has them all."""
    if columns is None:
        raise ColumnError(
            "Frames are matched by name, and these moments have no column names, since they were "
            f"fitted on an array. Received: a frame with {format_names(present)}. Pass an array "
            "(frame.to_numpy()), or fit a frame."
        )
    if absent := [name for name in columns if name not in set(present)]:
        unknown = [name for name in present if name not in set(columns)]
        raise ColumnError(
            f"The frame must have every column of the moments. Missing: {format_names(absent)}. "
            f"Unknown to the moments: {format_names(unknown) or 'none'}. Rename the frame's "
            "columns, or select columns of the moments with moments.select(...)."
        )
    return columns


def _constants(scaling: Scaling, index: int) -> Numbers:
    hi, lo, factor = (float(table[index]) for table in (scaling.hi, scaling.lo, scaling.factor))
    return hi, lo, factor, None if scaling.power is None else 2.0 ** int(scaling.power[index])


def expression(
    name: Any, given: Any, numbers: Numbers, inverse: bool, dtype: Any, missing: str
) -> Any:
    """Return the expression of a scaled column; a division by a power of two is exact.

    Parameters
    ----------
    name, given
        The name of the column and its narwhals dtype.
    numbers
        hi, lo, factor and ``2**power``: floats, or expressions of one number per row.
    inverse, dtype, missing
        As in `scale_frame`.
    """
    result = _result_dtype(name, given, dtype)
    hi, lo, factor, scale = numbers
    power = 1.0 if scale is None else scale
    if inverse:
        y = (nw.col(name).cast(nw.Float64) * factor + lo + hi) / power
    elif given in _INT64 and scale is None:
        y = (_subtract_int64(nw.col(name), given, hi) - lo) * factor
    else:
        y = (nw.col(name).cast(nw.Float64) * power - hi - lo) * factor
    if missing == "zero":
        y = y.fill_null(0.0).fill_nan(0.0)
    return y.cast(result)


def dtype_of(given: Any) -> str:
    """Return the name in moments of a narwhals dtype, including its unit of time."""
    if given == nw.Datetime:
        return f"timestamp[{given.time_unit}]"
    if given == nw.Duration:
        return f"duration[{given.time_unit}]"
    return "" if given in (nw.Date, nw.Time) else str(given).lower()


def _result_dtype(name: Any, given: Any, dtype: Any) -> Any:
    """Return the narwhals dtype of the result for a column of a narwhals dtype."""
    if not (given.is_numeric() or given == nw.Boolean or given in _TIMES):
        raise UnsupportedTypeError(
            f"Only numbers and booleans can be scaled. Received: column {name!r} of type {given}. "
            "Convert it, or leave it out with moments.select(...)."
        )
    default = "float64" if given in (nw.Float64, nw.Decimal) else "float32"
    result = result_dtype(default, dtype)
    if result not in _RESULTS:
        raise UnsupportedTypeError(
            f"A frame's result is float32 or float64. Received: dtype={dtype!r}."
        )
    return _RESULTS[result]


def _subtract_int64(x: Any, given: Any, hi: Any) -> Any:
    """Return ``x - hi`` for 64-bit integers, which float64 may round, in two parts.

    A timestamp is the integer that counts its unit, as when it was fitted.
    """
    dtype, null = (nw.Int64, x.is_null()) if given in _TIMES else (given, None)
    x = x if null is None else x.cast(nw.Int64)
    divisor = nw.lit(4096, dtype)  # in the dtype of x: Arrow would choose a smaller common dtype
    upper = x // divisor
    lower = (x - upper * divisor).cast(nw.Float64)
    difference = (upper.cast(nw.Float64) * 4096.0 - hi) + lower
    # pandas: NaT became an integer
    return difference if null is None else nw.when(~null).then(difference)


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
    frame, back = to_narwhals(x)
    if isinstance(frame, nw.LazyFrame):
        return _scale_lazy(x, scaling, options)
    schema = {str(name): (name, given) for name, given in frame.schema.items()}
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
    table = open_table(x, "the frame")
    present = [field.name for field in table.fields]
    if absent := [name for name in names if name not in present]:
        raise ColumnError(
            f"The frame must have every key column. Missing: {format_names(absent)}. "
            f"Received: {format_names(present)}. Rename a column, or pass by=keys."
        )
    batches = table.column_batches((), tuple(names))
    return concat_keys([cross_keys(columns) for columns, _ in batches])


def _check_defined(series: Any, scaling: GroupScaling, index: int, rows: RowIndices) -> None:
    """Check that the present values of a column can be scaled."""
    if not np.isnan(scaling.factor[:-1, index]).any() and scaling.constant != "error":
        return
    present = ~series.is_null().to_numpy().astype(bool)
    if series.dtype.is_float():
        present &= ~series.is_nan().fill_null(True).to_numpy().astype(bool)
    scaling.check_defined(index, rows, present)


def _scale_column(
    frame: Any,
    name: Any,
    given: Any,
    scaling: GroupScaling,
    index: int,
    rows: RowIndices,
    dtype: Any,
    missing: str,
) -> Any:
    """Return the frame with one column scaled."""
    hi, lo, factor, power = scaling.lookup(index, rows)
    scale = None if power is None else np.exp2(power.astype(np.float64))
    values = {"hi": hi, "lo": lo, "factor": factor, "scale": scale}
    names = {key: _TEMP_COLUMN.format(key, name) for key in values if values[key] is not None}
    backend = frame.implementation
    columns = [nw.new_series(names[key], values[key], nw.Float64, backend=backend) for key in names]
    numbers: Any = [nw.col(names[key]) if key in names else None for key in values]
    y = expression(name, given, tuple(numbers), scaling.inverse, dtype, missing)
    return frame.with_columns(*columns).with_columns(y).drop(*names.values())


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
