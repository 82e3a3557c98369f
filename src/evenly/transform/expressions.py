"""Scale lazy frames by expressions of narwhals, such as DuckDB relations.

The arithmetic is that of the kernel, written as expressions, so that nothing is read before the
result is.
"""

import sys
from typing import Any

import narwhals as nw
from narwhals.dtypes import DType

from evenly.errors import UnsupportedTypeError
from evenly.sources.fields import NUMBER, Field
from evenly.sources.sql.identifiers import quote_identifier
from evenly.transform.columns import column_dtype
from evenly.transform.scaling import Scaling

_RESULTS = {"float32": nw.Float32, "float64": nw.Float64}
_INT64 = (nw.Int64, nw.UInt64)
_INT128 = (nw.Int128, nw.UInt128, nw.Decimal)
_TIMES = {
    "date[day]": "{} - date '1970-01-01'",
    "time[us]": "epoch_us({})",
    "time[ns]": "epoch_ns({})",
    "timestamp[s]": "epoch_us({}) // 1000000",
    "timestamp[ms]": "epoch_us({}::timestamp) // 1000",
    "timestamp[us]": "epoch_us({})",
    "timestamp[ns]": "epoch_ns({})",
}
"""DuckDB's expressions for the integers that times are fitted as."""


def scale_by_expressions(
    x: object,
    fields: tuple[Field, ...],
    names: tuple[str, ...],
    scaling: Scaling,
    *,
    dtype: object,
    missing: str,
) -> Any:
    """Return a frame of the type of ``x``, with the named columns scaled.

    Raises
    ------
    UnsupportedTypeError
        When narwhals does not support the frame, or the library the type of a column.
    """
    frame = _to_narwhals(_times_as_integers(x, fields, names))
    schema = {str(name): (name, given) for name, given in frame.collect_schema().items()}
    columns = [
        _expression(*schema[name], scaling, index, dtype, missing)
        for index, name in enumerate(names)
    ]
    return nw.to_native(frame.with_columns(*columns))


def _to_narwhals(x: object) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    try:
        return nw.from_native(x)
    except TypeError:
        raise UnsupportedTypeError(
            "A frame must come from pandas, polars, PyArrow, DuckDB or another library that "
            f"narwhals supports. Received: {type(x).__module__}.{type(x).__name__}. "
            "Convert it first."
        ) from None


def _times_as_integers(x: object, fields: tuple[Field, ...], names: tuple[str, ...]) -> Any:
    """Return a DuckDB relation with the columns of times as integers; other frames unchanged."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is None or not isinstance(x, duckdb.DuckDBPyRelation):
        return x
    times = {f.name: f.kind for f in fields if f.name in names and f.kind != NUMBER}
    replaced = []
    for name, kind in times.items():
        if kind not in _TIMES:
            raise UnsupportedTypeError(
                "DuckDB cannot convert every type of time to an integer. Received: column "
                f"{name!r}, which is {kind}. Pass relation.to_arrow_table()."
            )
        quoted = quote_identifier(name)
        replaced.append(f"{_TIMES[kind].format(quoted)} as {quoted}")
    return x.project(f"* replace ({', '.join(replaced)})") if replaced else x


def _expression(
    name: str, given: DType, scaling: Scaling, index: int, dtype: object, missing: str
) -> nw.Expr:
    """Return the expression of a scaled column; a division by a power of two is exact."""
    hi, lo, factor = (float(table[index]) for table in (scaling.hi, scaling.lo, scaling.factor))
    power = 1.0 if scaling.power is None else 2.0 ** int(scaling.power[index])
    x, nearest = nw.col(name), nw.col(name).cast(nw.Float64)
    if scaling.inverse:
        y = (nearest * factor + lo + hi) / power
    elif power == 1.0 and given in _INT64:
        y = ((nearest - hi) + (_rounding_error(x, given, nearest) - lo)) * factor
    elif power == 1.0 and given in _INT128:
        y = ((nearest - hi) + (_rounding_error_of_int128(x, nearest) - lo)) * factor
    else:
        y = (nearest * power - hi - lo) * factor
    if missing == "zero":
        y = y.fill_null(0.0).fill_nan(0.0)
    if scaling.clip is not None:
        y = _clip(y, *scaling.clip)
    return y.cast(_RESULTS[_result_dtype(given, dtype)]).alias(name)


def _clip(y: nw.Expr, low: float, high: float) -> nw.Expr:
    """Return the expression of values limited to a range; NaN and null are kept.

    In DuckDB and polars NaN is larger than all numbers, and ``greatest`` of DuckDB skips null.
    """
    below = nw.when((y > high) & ~y.is_nan()).then(nw.lit(high)).otherwise(y)
    return nw.when(y < low).then(nw.lit(low)).otherwise(below)


def _result_dtype(given: DType, dtype: object) -> str:
    name = str(given).lower()
    name = name if given.is_float() or given == nw.Boolean or given.is_integer() else "float64"
    return column_dtype("bool" if name == "boolean" else name, dtype)


def _rounding_error(x: nw.Expr, given: DType, nearest: nw.Expr) -> nw.Expr:
    """Return the exact difference of 64-bit integers and the float64 that they are rounded to."""
    divisor = nw.lit(4096, given)  # in the dtype of x: some libraries choose a smaller one
    upper = x // divisor
    lower = (x - upper * divisor).cast(nw.Float64)
    return (upper.cast(nw.Float64) * 4096.0 - nearest) + lower


def _rounding_error_of_int128(x: nw.Expr, nearest: nw.Expr) -> nw.Expr:
    """Return the exact difference of integers and the float64 that they are rounded to.

    It is 0 for what `evenly.fit` rounds too: fractions, and integers of more than 64 bits.
    """
    integer = x.cast(nw.Int128)
    exact = (integer == x) & (integer >= -(2**63)) & (integer < 2**64)
    rest = nw.when(exact).then((integer - nearest.cast(nw.Int128)).cast(nw.Float64)).otherwise(0.0)
    # Numbers that are larger may not fit into 128 bits.
    return nw.when((nearest >= -(2.0**63)) & (nearest <= 2.0**64)).then(rest).otherwise(0.0)
