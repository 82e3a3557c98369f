"""Write, read and validate a column of a statistics file.

``docs/format.md`` specifies the keys and their meaning.
"""

import json
import math
import re
from fractions import Fraction
from typing import NamedTuple

from evenly import exact_stats
from evenly.distribution import Bins
from evenly.errors import StatisticsFileError
from evenly.exact_stats import Dyadic
from evenly.statistics_file.checks import abbreviate, invalid_value_error, is_count
from evenly.statistics_file.distribution import read_bins, write_bins
from evenly.typing import JsonObject

Number = int | float

_EXACT = re.compile(r"(-?0x(?:0|[1-9a-f][0-9a-f]*))p(0|-?[1-9][0-9]*)", re.ASCII)
_MAX_DIGITS = 1_800
"""Maximum length of an exact number. The widest sum is a sum of weighted squares: from
2**-3222 (three times the smallest subnormal's exponent) to 2**3135 (three times the
largest exponent, plus a 63-bit count), which is 1,590 hexadecimal digits."""
_MAX_EXPONENT = 3_400
"""All bits of an exact number are between 2**-3400 and 2**3400."""
_REQUIRED = ("count", "dtype", "max", "min", "missing", "sum", "sum_of_squares")
_READABLE = ("mean", "std", "weight")
_KEYS = frozenset((*_REQUIRED, *_READABLE, "name"))
_TOLERANCE = 1e-6
_NO_CORRECTION = Fraction(0)


class ColumnRecord(NamedTuple):
    """The statistics of a column in the file. A number ``(m, e)`` is ``m * 2**e``, exactly.

    ``bins`` has the distribution, if there is one.
    """

    name: str | None
    dtype: str
    present: Dyadic
    missing: Dyadic
    sum: Dyadic
    squares: Dyadic
    min: Number | None
    max: Number | None
    bins: Bins | None = None


def write(column: ColumnRecord) -> str:
    """Return the line of a column: a JSON object with sorted keys, without a line break."""
    sums = column.present, column.sum, column.squares
    weight = exact_stats.to_float(column.present)
    # A total weight beyond float64 has no decimal; the exact count has its value.
    has_weight = math.isfinite(weight) and not exact_stats.fits_int64(column.present)
    decimal = f', "weight": {_decimal(weight)}' if has_weight else ""
    name = "" if column.name is None else f', "name": {_string(column.name)}'
    bins = "" if column.bins is None else f', "distribution": {write_bins(column.bins)}'
    return (
        f'{{"count": {_count(column.present)}{bins}, "dtype": {_string(column.dtype)}, '
        f'"max": {_decimal(column.max)}, "mean": {_decimal(exact_stats.mean(*sums[:2]))}, '
        f'"min": {_decimal(column.min)}, "missing": {_count(column.missing)}{name}, '
        f'"std": {_decimal(exact_stats.std(*sums, _NO_CORRECTION))}, '
        f'"sum": "{_exact(column.sum)}", '
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


def read(entry: object, index: int, most_bins: int = 0) -> ColumnRecord:
    """Validate a parsed JSON value and return the column that it describes.

    Parameters
    ----------
    most_bins
        The maximum number of bins of its distribution; 0 if it must not have one.

    Raises
    ------
    StatisticsFileError
        When a key is missing or unknown, a value has the wrong type or size, or no data can
        have these statistics.
    """
    if not isinstance(entry, dict):
        raise invalid_value_error(f"column {index} must be an object", entry)
    label = column_label(entry.get("name"), index)
    _check_keys(entry, label, distribution=most_bins > 0)
    count = _read_count(entry, "count", label)
    column = ColumnRecord(
        _read_name(entry, label),
        _read_dtype(entry, label),
        count,
        _read_count(entry, "missing", label),
        _read_exact(entry, "sum", label),
        _read_exact(entry, "sum_of_squares", label),
        _read_extreme(entry, "min", label),
        _read_extreme(entry, "max", label),
        read_bins(entry["distribution"], label, most_bins, count) if most_bins else None,
    )
    _check_consistent(column, label)
    _check_readable(column, entry, label)
    return column


def column_label(name: object, index: int) -> str:
    """Return the text for a column in messages: its name, or its index if it has none."""
    return f"column {index}" if name is None else f"column {abbreviate(name)}"


def _check_keys(entry: JsonObject, label: str, *, distribution: bool) -> None:
    more = ("distribution",) if distribution else ()
    for key in (*_REQUIRED, *more):
        if key not in entry:
            raise StatisticsFileError(f"{label} has no {key!r}.")
    if unknowns := entry.keys() - _KEYS - {*more}:
        unknown = min(unknowns)
        raise StatisticsFileError(f"{label} has an unknown key, {abbreviate(unknown)}.")


def _read_name(entry: JsonObject, label: str) -> str | None:
    if "name" not in entry:
        return None
    if type(entry["name"]) is not str:
        raise _entry_error(label, "name", "a string", entry)
    return str(entry["name"])


def _read_dtype(entry: JsonObject, label: str) -> str:
    if type(entry["dtype"]) is not str or len(entry["dtype"]) > 200:
        raise _entry_error(label, "dtype", "a string of at most 200 characters", entry)
    return str(entry["dtype"])


def _read_count(entry: JsonObject, key: str, label: str) -> Dyadic:
    value = entry[key]
    if is_count(value):
        return exact_stats.dyadic(value)
    if type(value) is str:
        exact = _read_exact(entry, key, label)
        if exact[0] > 0 and not exact_stats.fits_int64(exact):
            return exact
    rule = "an integer from 0 to 2**63 - 1, or an exact positive number that is not one"
    raise _entry_error(label, key, rule, entry)


def _read_exact(entry: JsonObject, key: str, label: str) -> Dyadic:
    value = entry[key]
    match = _EXACT.fullmatch(value) if type(value) is str and len(value) <= _MAX_DIGITS else None
    if match is None:
        rule = 'an exact number such as "-0x3fa1p-40"'
        raise _entry_error(label, key, rule, entry)
    m, e = int(match[1], 16), int(match[2])
    if match[1] == "-0x0" or (m % 2 == 0 and (m, e) != (0, 0)):
        rule = 'an exact number with an odd mantissa, or "0x0p0"'
        raise _entry_error(label, key, rule, entry)
    if e < -_MAX_EXPONENT or e + m.bit_length() > _MAX_EXPONENT:
        rule = f"an exact number between 2**-{_MAX_EXPONENT} and 2**{_MAX_EXPONENT}"
        raise _entry_error(label, key, rule, entry)
    return m, e


def _read_extreme(entry: JsonObject, key: str, label: str) -> Number | None:
    value = entry[key]
    if value is None or type(value) is float or (type(value) is int and -(2**63) <= value < 2**64):
        return value
    raise _entry_error(label, key, "a finite 64-bit number, or null", entry)


def _entry_error(label: str, key: str, rule: str, entry: JsonObject) -> StatisticsFileError:
    return invalid_value_error(f"{label}: {key!r} must be {rule}", entry[key])


def _check_consistent(column: ColumnRecord, label: str) -> None:
    """Check that data with these statistics can exist.

    For values x within [min, max] and positive weights, two sums are not negative:
    the sum of ``(x - mean)**2`` and the sum of ``(max - x) * (x - min)`` (Bhatia and Davis,
    American Mathematical Monthly 107, 2000). Together they imply that the mean is within
    [min, max]. Both are computed in integers.
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
            f"{label}: min must not exceed max. "
            f"Received: {abbreviate(column.min)} and {abbreviate(column.max)}."
        )
    if exact_stats.squared_deviations(n, s, q)[0] < 0:
        raise StatisticsFileError(
            f"{label}: count * sum_of_squares must be at least sum**2; no data has these sums."
        )
    low, high = exact_stats.dyadic(column.min), exact_stats.dyadic(column.max)
    bhatia_davis = exact_stats.add(
        _product(low, s), _product(high, s), _negate(_product(n, _product(low, high))), _negate(q)
    )
    if bhatia_davis[0] < 0:
        raise StatisticsFileError(f"{label}: no values between min and max have these sums.")


def _product(a: Dyadic, b: Dyadic) -> Dyadic:
    return a[0] * b[0], a[1] + b[1]


def _negate(a: Dyadic) -> Dyadic:
    return -a[0], a[1]


def _check_readable(column: ColumnRecord, entry: JsonObject, label: str) -> None:
    """Check that the optional decimals agree with the exact numbers."""
    std = exact_stats.std(column.present, column.sum, column.squares, _NO_CORRECTION)
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
        tolerance = 0.0 if math.isnan(std) else _TOLERANCE * std
        if type(value) not in (int, float) or not math.isclose(
            value, exact, rel_tol=_TOLERANCE, abs_tol=tolerance
        ):
            raise StatisticsFileError(
                f"{label}: {key!r} is {abbreviate(value)}, but the exact sums give {exact!r}. "
                f"{key!r} is for readers only; remove it, or restore the file."
            )
