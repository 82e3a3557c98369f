"""One column of a statistics file: its line, and what makes it believable.

The keys and their meaning are specified in ``docs/format.md``.
"""

import json
import math
import re
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn

from evenly import exact_stats
from evenly.errors import StatisticsFileError
from evenly.exact_stats import Dyadic

Number = int | float

_EXACT = re.compile(r"(-?0x(?:0|[1-9a-f][0-9a-f]*))p(0|-?[1-9][0-9]*)", re.ASCII)
_MAX_DIGITS = 1_800
"""Characters of an exact number. The widest sum is one of weighted squares: from
2**-3222 (three times the smallest subnormal's exponent) to 2**3135 (three times the
largest exponent, and a count of 63 bits), that is 1,590 hexadecimal digits."""
_MAX_EXPONENT = 3_400
"""All bits of an exact number lie between 2**-3400 and 2**3400."""
_REQUIRED = ("count", "dtype", "max", "min", "missing", "sum", "sum_of_squares")
_READABLE = ("mean", "std", "weight")
_KEYS = frozenset((*_REQUIRED, *_READABLE, "name"))
_AGREE = 1e-6


class InvalidNumber(str):
    """A JSON number that cannot be one here (NaN, 1e999, 500 digits), as it was written."""

    __slots__ = ()


class ColumnRecord(NamedTuple):
    """What the file knows of a column. Numbers ``(m, e)`` mean ``m * 2**e``, exactly."""

    name: str | None
    dtype: str
    present: Dyadic
    missing: Dyadic
    sum: Dyadic
    squares: Dyadic
    min: Number | None
    max: Number | None


def write(column: ColumnRecord) -> str:
    """Return the line of a column: a JSON object with its keys sorted, no line end."""
    sums = column.present, column.sum, column.squares
    weight = exact_stats.to_float(column.present)
    # A total weight beyond float64 has no decimal: its exact count says it.
    shown = math.isfinite(weight) and not exact_stats.fits_int64(column.present)
    decimal = f', "weight": {_decimal(weight)}' if shown else ""
    name = "" if column.name is None else f', "name": {_string(column.name)}'
    return (
        f'{{"count": {_count(column.present)}, "dtype": {_string(column.dtype)}, '
        f'"max": {_decimal(column.max)}, "mean": {_decimal(exact_stats.mean(*sums[:2]))}, '
        f'"min": {_decimal(column.min)}, "missing": {_count(column.missing)}{name}, '
        f'"std": {_decimal(exact_stats.std(*sums, Fraction(0)))}, "sum": "{_exact(column.sum)}", '
        f'"sum_of_squares": "{_exact(column.squares)}"{decimal}}}'
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _exact(value: Dyadic) -> str:
    return f"{value[0]:#x}p{value[1]}"


def _count(value: Dyadic) -> str:
    return str(value[0] << value[1]) if exact_stats.fits_int64(value) else f'"{_exact(value)}"'


def _decimal(value: Number | None) -> str:
    """Return the shortest decimal that reads back as the same number, or null."""
    return "null" if value is None or value != value else repr(value)


def read(entry: Any, index: int) -> ColumnRecord:
    """Return the column that a parsed JSON value describes, after checking all of it.

    Raises
    ------
    StatisticsFileError
        When a key is missing, unknown, or of the wrong type or size, or when no data
        at all can have these statistics.
    """
    if not isinstance(entry, dict):
        raise StatisticsFileError(
            f"column {index} must be an object. Received: {abbreviate(entry)}."
        )
    label = f"column {abbreviate(entry['name'])}" if "name" in entry else f"column {index}"
    _check_keys(entry, label)
    column = ColumnRecord(
        _read_name(entry, label),
        _read_dtype(entry, label),
        _read_count(entry, "count", label),
        _read_count(entry, "missing", label),
        _read_exact(entry, "sum", label),
        _read_exact(entry, "sum_of_squares", label),
        _read_extreme(entry, "min", label),
        _read_extreme(entry, "max", label),
    )
    _check_consistent(column, label)
    _check_readable(column, entry, label)
    return column


def abbreviate(value: Any) -> str:
    """Return a short text for a value from the file, to put into an error."""
    if isinstance(value, (list, dict)):
        kind = "an object" if isinstance(value, dict) else "an array"
        return f"{kind} with {len(value)} entries"
    text = str(value) if isinstance(value, InvalidNumber) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def _check_keys(entry: dict[str, Any], label: str) -> None:
    for key in _REQUIRED:
        if key not in entry:
            raise StatisticsFileError(f"{label} has no {key!r}.")
    if not _KEYS.issuperset(entry):
        unknown = min(entry.keys() - _KEYS)
        raise StatisticsFileError(f"{label} has an unknown key, {abbreviate(unknown)}.")


def _read_name(entry: dict[str, Any], label: str) -> str | None:
    if "name" not in entry:
        return None
    if type(entry["name"]) is not str:
        _wrong(label, "name", "a string", entry)
    return str(entry["name"])


def _read_dtype(entry: dict[str, Any], label: str) -> str:
    if type(entry["dtype"]) is not str or len(entry["dtype"]) > 200:
        _wrong(label, "dtype", "a string of at most 200 characters", entry)
    return str(entry["dtype"])


def _read_count(entry: dict[str, Any], key: str, label: str) -> Dyadic:
    value = entry[key]
    if type(value) is int and 0 <= value < 2**63:
        return exact_stats.dyadic(value)
    if type(value) is str:
        exact = _read_exact(entry, key, label)
        if exact[0] > 0 and not exact_stats.fits_int64(exact):
            return exact
    rule = "an integer from 0 to 2**63 - 1 (else an exact positive number that is none)"
    _wrong(label, key, rule, entry)


def _read_exact(entry: dict[str, Any], key: str, label: str) -> Dyadic:
    value = entry[key]
    match = _EXACT.fullmatch(value) if type(value) is str and len(value) <= _MAX_DIGITS else None
    if match is None:
        _wrong(label, key, 'an exact number such as "-0x3fa1p-40"', entry)
    m, e = int(match[1], 16), int(match[2])
    if match[1] == "-0x0" or (m % 2 == 0 and (m, e) != (0, 0)):
        _wrong(label, key, 'an exact number with an odd mantissa, or "0x0p0"', entry)
    if e < -_MAX_EXPONENT or e + m.bit_length() > _MAX_EXPONENT:
        _wrong(
            label, key, f"an exact number between 2**-{_MAX_EXPONENT} and 2**{_MAX_EXPONENT}", entry
        )
    return m, e


def _read_extreme(entry: dict[str, Any], key: str, label: str) -> Number | None:
    value = entry[key]
    if value is None or type(value) is float or (type(value) is int and -(2**63) <= value < 2**64):
        return value
    _wrong(label, key, "a finite number of 64 bits, or null", entry)


def _wrong(label: str, key: str, rule: str, entry: dict[str, Any]) -> NoReturn:
    raise StatisticsFileError(
        f"{label}: {key!r} must be {rule}. Received: {abbreviate(entry[key])}."
    )


def _check_consistent(column: ColumnRecord, label: str) -> None:
    """Hold that some data could have these statistics.

    For values x within [min, max], with positive weights, two sums cannot be negative:
    that of ``(x - mean)**2``, and that of ``(max - x) * (x - min)`` (Bhatia and Davis,
    American Mathematical Monthly 107, 2000). Together they put the mean within
    [min, max]. Both are decided in integers.
    """
    n, s, q = column.present, column.sum, column.squares
    if n[0] == 0:
        if (s, q, column.min, column.max) != ((0, 0), (0, 0), None, None):
            raise StatisticsFileError(
                f"{label}: with a count of 0 both sums must be 0, and min and max null."
            )
        return
    if column.min is None or column.max is None or not column.min <= column.max:
        raise StatisticsFileError(
            f"{label}: min must not be above max. "
            f"Received: {abbreviate(column.min)} and {abbreviate(column.max)}."
        )
    if exact_stats.squared_deviations(n, s, q)[0] < 0:
        raise StatisticsFileError(
            f"{label}: count * sum_of_squares must be at least sum**2; no data has these sums."
        )
    low, high = exact_stats.dyadic(column.min), exact_stats.dyadic(column.max)
    inside = exact_stats.add(
        _product(low, s), _product(high, s), _negate(_product(n, _product(low, high))), _negate(q)
    )
    if inside[0] < 0:
        raise StatisticsFileError(f"{label}: no values between min and max have these sums.")


def _product(a: Dyadic, b: Dyadic) -> Dyadic:
    return a[0] * b[0], a[1] + b[1]


def _negate(a: Dyadic) -> Dyadic:
    return -a[0], a[1]


def _check_readable(column: ColumnRecord, entry: dict[str, Any], label: str) -> None:
    """Hold that the decimals for people, where present, say what the exact numbers say."""
    std = exact_stats.std(column.present, column.sum, column.squares, Fraction(0))
    for key in _READABLE:
        if key not in entry:
            continue
        if key == "mean":
            exact = exact_stats.mean(column.present, column.sum)
        else:
            exact = std if key == "std" else exact_stats.to_float(column.present)
        value = entry[key]
        if value is None and math.isnan(exact):
            continue
        slack = 0.0 if math.isnan(std) else _AGREE * std
        if type(value) not in (int, float) or not math.isclose(
            value, exact, rel_tol=_AGREE, abs_tol=slack
        ):
            raise StatisticsFileError(
                f"{label}: {key!r} is {abbreviate(value)}, but its exact sums say {exact!r}. "
                f"{key!r} is there for people to read; remove it, or restore the file."
            )
