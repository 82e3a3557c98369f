"""Numbers as short text in the page."""

import math

from evenly.time_text import duration_text, is_time, point_text

_DIGITS = 5


def number(value: float, dtype: str = "") -> str:
    """Format a number with five digits, or a time as a date.

    >>> number(1356998400.25), number(0.000123456), number(0.0), number(float("nan"))
    ('1356998400', '0.00012346', '0', '')
    """
    if not math.isfinite(value):
        return "" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if is_time(dtype):
        return point_text(value, dtype) or number(value)
    return decimal_text(value, _DIGITS)


def decimal_text(value: float, digits: int) -> str:
    """Format a number with some digits, and with all digits before the decimal point.

    >>> [decimal_text(x, 6) for x in (0.0, 2013.0, 1356998400.25, 12.639070257, 1e-9, 1e300)]
    ['0', '2013', '1356998400', '12.6391', '1e-09', '1e+300']
    """
    if not value or not 1e-4 <= abs(value) < 1e15:
        return f"{value + 0.0:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def between(value: float, low: float, high: float, dtype: str) -> str:
    """Format an estimate to the digits that its bounds determine.

    >>> between(551.48, 550.0, 552.0, "float64"), between(551.48, 551.48, 551.48, "float64")
    ('551', '551.48')
    """
    width = high - low
    if not (0 < width < math.inf) or is_time(dtype):
        return number(value, dtype)
    return number(round(value, -math.floor(math.log10(width))), dtype)


def spread(value: float, dtype: str) -> str:
    """Format a standard deviation: a number, or a duration for times."""
    if math.isfinite(value) and is_time(dtype):
        return duration_text(value, dtype) or number(value)
    return number(value)


def share_text(share: float) -> str:
    """Format a share as a percentage that is 0 % or 100 % only if it is exactly that.

    >>> share_text(0.0), share_text(0.025), share_text(1e-6), share_text(0.99999), share_text(1.0)
    ('0 %', '2.5 %', '<0.1 %', '>99.9 %', '100 %')
    """
    if 0 < share < 0.0005 or 0.9995 < share < 1:
        return "<0.1 %" if share < 0.5 else ">99.9 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def count_text(value: float) -> str:
    """Format a count, or a total of weights.

    >>> count_text(1234567.0), count_text(2.5)
    ('1,234,567', '2.5')
    """
    return f"{int(value):,}" if float(value).is_integer() else number(value)
