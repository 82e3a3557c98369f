"""Frames of any kind, through narwhals: pandas, polars, PyArrow, DuckDB relations.

A frame comes back as its own kind: the columns of the moments scaled, all others
untouched, nulls still null, order and index kept. The arithmetic is that of the kernel,
written as expressions, so that a lazy frame stays lazy.
"""

import sys
from collections.abc import Callable
from typing import Any

import narwhals as nw

from evenly.columns import check_time_units
from evenly.errors import ColumnError, UnsupportedTypeError, format_names
from evenly.sources.arrow_input import checked
from evenly.transform.arrays import check_missing
from evenly.transform.dtypes import result_dtype
from evenly.transform.scaling import Scaling

Numbers = tuple[Any, Any, Any, Any]

_RESULTS = {"float32": nw.Float32, "float64": nw.Float64}
_TIMES = (nw.Datetime, nw.Duration)
_INT64 = (nw.Int64, nw.UInt64, *_TIMES)


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
    check_missing(missing)
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
        y = (_centred(nw.col(name), kind, hi) - lo) * factor
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


def _centred(x: Any, kind: Any, hi: Any) -> Any:
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
