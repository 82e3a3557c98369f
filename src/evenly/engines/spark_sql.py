"""Normalization as Spark SQL: the arithmetic of the kernel, one expression per column.

The expressions are text, since the text for 1,000 columns is one message to the JVM, whereas
1,000 `Column` objects are about 10,000 messages.
"""

from collections.abc import Iterable
from typing import NamedTuple

from evenly.columns import check_time_units
from evenly.engines.spark_types import column_kind, fields_of, quote_column
from evenly.engines.vector_columns import single_vector_column
from evenly.errors import UnsupportedTypeError, check_choice
from evenly.transform import Scaling
from evenly.transform.columns import column_dtype
from evenly.transform.frames import require_columns
from evenly.transform.scaling import MISSING_POLICIES

Types = list[tuple[str, str]]

_INT64 = ("bigint", "timestamp", "timestamp_ntz")


class ScalingLiterals(NamedTuple):
    """The constants of a scaling as SQL: literals, or items of an array of literals."""

    hi: str
    lo: str
    factor: str
    power: str | None
    inverse: bool
    clip: tuple[str, str] | None


def scale_expressions(
    types: Types, scaling: Scaling, *, label: str, dtype: object = None, missing: str = "keep"
) -> dict[str, str]:
    """Return an expression for each column of the scaling, by name.

    Raises
    ------
    ColumnError
        When a column is missing.
    DataError
        When a time column has a different unit than when it was fitted.
    UnsupportedTypeError
        When a column is not numeric.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    type_of = dict(types)
    if scaling.columns is None:
        name = single_vector_column(fields_of(types), label)
        return {
            name: _vector_expression(
                quote_column(name), type_of[name], scaling, dtype, missing, label
            )
        }
    names = require_columns(scaling.columns, list(type_of))
    if not scaling.inverse:
        times = [_time_unit_or_type(type_of[name]) for name in names]
        check_time_units(names, scaling.dtypes, times)
    return {
        name: _column_expression(name, type_of[name], _literals(scaling, index), dtype, missing)
        for index, name in enumerate(names)
    }


def _time_unit_or_type(spark_type: str) -> str:
    kind = column_kind(spark_type)
    return kind if "[" in kind else spark_type


def _column_expression(
    name: str, spark_type: str, literals: ScalingLiterals, dtype: object, missing: str
) -> str:
    result = _result_type(name, spark_type, dtype)
    return f"cast({_formula(quote_column(name), spark_type, literals, missing)} as {result})"


def _vector_expression(
    column: str, spark_type: str, scaling: Scaling, dtype: object, missing: str, label: str
) -> str:
    """Return the expression of a column of vectors, which scales items by index."""
    item_type = spark_type.removeprefix("array<").removesuffix(">")
    item_type = "double" if item_type == "vector" else item_type
    per_item = [_literals(scaling, index) for index in range(len(scaling))]
    powers = [literals.power for literals in per_item if literals.power is not None]
    literals = ScalingLiterals(
        _array_item(literals.hi for literals in per_item),
        _array_item(literals.lo for literals in per_item),
        _array_item(literals.factor for literals in per_item),
        _array_item(powers) if powers else None,
        scaling.inverse,
        per_item[0].clip,
    )
    result = "double" if spark_type == "vector" else _result_type(column, item_type, dtype)
    formula = f"cast({_formula('v', item_type, literals, missing)} as {result})"
    message = (
        f"x must have as many features as the moments, {len(scaling)}. Received: a vector of ' "
        f"|| size({column}) || ', in column {column} of {label}."
    )
    return (
        f"if(size({column}) = {len(scaling)} or {column} is null, "
        f"transform({column}, (v, i) -> {formula}), raise_error('{message}'))"
    )


def _array_item(literals: Iterable[str]) -> str:
    return f"get(array({', '.join(literals)}), i)"


def _literals(scaling: Scaling, index: int) -> ScalingLiterals:
    hi, lo, factor = (
        _literal(float(part[index])) for part in (scaling.hi, scaling.lo, scaling.factor)
    )
    power = None if scaling.power is None else _literal(2.0 ** int(scaling.power[index]))
    clip = None
    if scaling.clip is not None:
        low, high = scaling.clip
        clip = _literal(low), _literal(high)
    return ScalingLiterals(hi, lo, factor, power, scaling.inverse, clip)


def _literal(value: float) -> str:
    return f"({value!r}D)"


def _formula(x: str, spark_type: str, literals: ScalingLiterals, missing: str) -> str:
    """Return ``((x - hi) - lo) * factor`` or ``x * factor + lo + hi``, in double."""
    hi, lo, factor, power, inverse, clip = literals
    double = f"cast({f'unix_date({x})' if spark_type == 'date' else x} as double)"
    if inverse:
        y = f"({double} * {factor} + {lo} + {hi})"
        y = y if power is None else f"({y} / {power})"
    elif power is None and (spark_type in _INT64 or spark_type.startswith("interval")):
        whole = _as_int64(x, spark_type)
        double = f"cast({whole} as double)"
        y = f"((({double} - {hi}) + ({_rest(whole, double)} - {lo})) * {factor})"
    else:
        double = double if power is None else f"{double} * {power}"
        y = f"(({double} - {hi} - {lo}) * {factor})"
    y = y if missing == "keep" else f"coalesce(nanvl({y}, 0D), 0D)"
    return y if clip is None else _clip(y, *clip)


def _clip(y: str, low: str, high: str) -> str:
    """Return values limited to a range; null and NaN, which is above all numbers, are kept."""
    return f"if({y} < {low}, {low}, if({y} > {high} and not isnan({y}), {high}, {y}))"


def _as_int64(x: str, spark_type: str) -> str:
    """Return a column as the 64-bit integers with which it was fitted."""
    if spark_type == "timestamp":
        return f"unix_micros({x})"
    if spark_type == "timestamp_ntz":  # a cast to timestamp would use the session's time zone
        x = f"({x} - timestamp_ntz'1970-01-01 00:00:00')"
    if spark_type == "bigint":
        return x
    seconds = f"cast(cast({x} as interval second) as decimal(20, 6))"
    return f"cast({seconds} * 1000000 as bigint)"


def _rest(x: str, double: str) -> str:
    """Return the exact difference of 64-bit integers and the double that they are rounded to."""
    upper, lower = f"cast(shiftright({x}, 12) as double)", f"cast({x} & 4095 as double)"
    return f"(({upper} * 4096D - {double}) + {lower})"


def _result_type(name: str, spark_type: str, dtype: object) -> str:
    """Return the Spark type of the result for a column of this type."""
    kind = column_kind(spark_type)
    if kind != "number" and not kind.startswith(("timestamp", "duration", "date")):
        raise UnsupportedTypeError(
            "Only numbers, booleans and times can be scaled. Received: column "
            f"{name!r} of type {spark_type}. "
            "Convert it, or leave it out with moments.select(...)."
        )
    is_narrow = spark_type in ("boolean", "tinyint", "smallint", "float")
    result = column_dtype("float32" if is_narrow else "float64", dtype)
    return "double" if result == "float64" else "float"
