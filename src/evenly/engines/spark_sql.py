"""Normalising as Spark's SQL: the arithmetic of the kernel, one expression a column.

It is text, since a text of a thousand columns is one message to Spark; a thousand columns of
its `Column` objects are some ten thousand.
"""

from collections.abc import Iterable
from typing import NamedTuple

from evenly.columns import check_time_units
from evenly.engines.spark_types import column_kind, fields_of, quoted
from evenly.engines.vector_columns import single_vector_column
from evenly.errors import UnsupportedTypeError, check_choice
from evenly.transform import Scaling
from evenly.transform.dtypes import result_dtype
from evenly.transform.frames import match_columns
from evenly.transform.scaling import MISSING_POLICIES

Types = list[tuple[str, str]]

_WHOLE = ("bigint", "timestamp", "timestamp_ntz")


class ScalingLiterals(NamedTuple):
    """The numbers of a scaling, as SQL: literals, or items of an array of literals."""

    hi: str
    lo: str
    factor: str
    power: str | None
    inverse: bool


def scaled(
    types: Types, scaling: Scaling, *, label: str, dtype: object = None, missing: str = "keep"
) -> dict[str, str]:
    """Return an expression for each column that the scaling has, by name.

    Raises
    ------
    ColumnError
        When a column is missing.
    DataError
        When a time is in another unit than it was fitted in.
    UnsupportedTypeError
        When a column is no number.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    known = dict(types)
    if scaling.columns is None:
        name = single_vector_column(fields_of(types), label)
        return {name: _vector(quoted(name), known[name], scaling, dtype, missing, label)}
    names = match_columns(scaling.columns, list(known))
    if not scaling.inverse:
        times = [_time_or_type(known[name]) for name in names]
        check_time_units(names, scaling.dtypes, times)
    return {
        name: _column(name, known[name], _literals(scaling, index), dtype, missing)
        for index, name in enumerate(names)
    }


def _time_or_type(kind: str) -> str:
    return column_kind(kind) if "[" in column_kind(kind) else kind


def _column(name: str, kind: str, numbers: ScalingLiterals, dtype: object, missing: str) -> str:
    result = _result(name, kind, dtype)
    return f"cast({_formula(quoted(name), kind, numbers, missing)} as {result})"


def _vector(
    column: str, kind: str, scaling: Scaling, dtype: object, missing: str, label: str
) -> str:
    """Return the expression of a column of vectors: its items by their number."""
    item = kind.removeprefix("array<").removesuffix(">")
    item = "double" if item == "vector" else item
    each = [_literals(scaling, index) for index in range(len(scaling))]
    powers = [numbers.power for numbers in each if numbers.power is not None]
    numbers = ScalingLiterals(
        _array_item(numbers.hi for numbers in each),
        _array_item(numbers.lo for numbers in each),
        _array_item(numbers.factor for numbers in each),
        _array_item(powers) if powers else None,
        scaling.inverse,
    )
    result = "double" if kind == "vector" else _result(column, item, dtype)
    formula = f"cast({_formula('v', item, numbers, missing)} as {result})"
    wrong = (
        f"x must have as many features as the moments, {len(scaling)}. Received: a vector of ' "
        f"|| size({column}) || ', in column {column} of {label}."
    )
    return (
        f"if(size({column}) = {len(scaling)} or {column} is null, "
        f"transform({column}, (v, i) -> {formula}), raise_error('{wrong}'))"
    )


def _array_item(literals: Iterable[str]) -> str:
    return f"get(array({', '.join(literals)}), i)"


def _literals(scaling: Scaling, index: int) -> ScalingLiterals:
    hi, lo, factor = (
        _literal(float(part[index])) for part in (scaling.hi, scaling.lo, scaling.factor)
    )
    power = None if scaling.power is None else _literal(2.0 ** int(scaling.power[index]))
    return ScalingLiterals(hi, lo, factor, power, scaling.inverse)


def _literal(value: float) -> str:
    return f"({value!r}D)"


def _formula(x: str, kind: str, numbers: ScalingLiterals, missing: str) -> str:
    """Return ``((x - hi) - lo) * factor`` or ``x * factor + lo + hi``, in double."""
    hi, lo, factor, power, inverse = numbers
    double = f"cast({x} as double)"
    if inverse:
        y = f"({double} * {factor} + {lo} + {hi})"
        y = y if power is None else f"({y} / {power})"
    elif power is None and (kind in _WHOLE or kind.startswith("interval")):
        y = f"(({_centred(_as_int64(x, kind), hi)} - {lo}) * {factor})"
    else:
        double = double if power is None else f"{double} * {power}"
        y = f"(({double} - {hi} - {lo}) * {factor})"
    return y if missing == "keep" else f"coalesce(nanvl({y}, 0D), 0D)"


def _as_int64(x: str, kind: str) -> str:
    """Return a column as the 64-bit integer that it was when it was fitted."""
    if kind == "timestamp":
        return f"unix_micros({x})"
    if kind == "timestamp_ntz":  # to a timestamp it would go by the session's time zone
        x = f"({x} - timestamp_ntz'1970-01-01 00:00:00')"
    if kind == "bigint":
        return x
    seconds = f"cast(cast({x} as interval second) as decimal(20, 6))"
    return f"cast({seconds} * 1000000 as bigint)"


def _centred(x: str, hi: str) -> str:
    """Return ``x - hi`` for an integer of 64 bits, which a double need not hold: in two parts."""
    upper, lower = f"cast(shiftright({x}, 12) as double)", f"cast({x} & 4095 as double)"
    return f"(({upper} * 4096D - {hi}) + {lower})"


def _result(name: str, kind: str, dtype: object) -> str:
    """Return Spark's type for the result of a column of this type."""
    wanted = column_kind(kind)
    if wanted != "number" and not wanted.startswith(("timestamp", "duration")):
        raise UnsupportedTypeError(
            f"Only numbers and booleans can be scaled. Received: column {name!r} of type {kind}. "
            "Convert it, or leave it out with moments.select(...)."
        )
    wide = kind == "double" or kind.startswith("decimal")
    result = result_dtype("float64" if wide else "float32", dtype)
    if result not in ("float32", "float64"):
        raise UnsupportedTypeError(
            f"A frame's result is float32 or float64. Received: dtype={dtype!r}."
        )
    return "double" if result == "float64" else "float"
