"""Arithmetic on arrays whose results are rounded once, with pairs of float64.

A pair is an unevaluated sum of two float64, the second of which is the rounding error of the first
(Dekker, 1971; Knuth, The Art of Computer Programming 2, section 4.2.2). Each function also returns
where its result is certain: there the bounds of the exact number round to the same float64. That is
nearly everywhere; the caller computes the rest with fractions.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

_SPLIT = 2.0**27 + 1
_HUGE, _TINY = 2.0**900, 2.0**-900
"""Between these, no product below overflows or loses bits to underflow."""
_RELATIVE_ERROR = 2.0**-48
"""An upper bound of the relative error of the operations on rounding errors."""


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return ``a + b`` as a pair."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def is_ordinary(x: Floats) -> Booleans:
    """Return where numbers are 0, or neither huge nor tiny."""
    size = np.abs(x)
    ordinary: Booleans = (size == 0) | ((size > _TINY) & (size < _HUGE))
    return ordinary


def interpolate(a: Floats, b: Floats, share: Floats) -> tuple[Floats, Booleans]:
    """Return the float64 nearest to ``a + (b - a) * share``, and where that is certain."""
    with np.errstate(all="ignore"):
        width, width_error = two_sum(b, -a)
        product, product_error = _two_product(width, share)
        total, total_error = two_sum(a, product)
        more, lost = _two_product(width_error, share)
        size = np.abs(total_error) + np.abs(product_error) + np.abs(more)
        rest, lost_first = two_sum(product_error, more)
        rest, lost_last = two_sum(total_error, rest)
        result, is_certain = _rounded(total, rest, size)
        # Halves and quarters are often exactly between two float64, with a rest that is exact.
        is_exact = (lost == 0) & (lost_first == 0) & (lost_last == 0)
        ordinary = is_ordinary(a) & is_ordinary(b) & is_ordinary(width) & (share > 2.0**-60)
        return np.where(is_exact, total + rest, result), (is_exact | is_certain) & ordinary


def divide(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Booleans]:
    """Return the float64 nearest to the quotient of two pairs, and where that is certain."""
    with np.errstate(all="ignore"):
        quotient = a[0] / b[0]
        product, product_error = _two_product(quotient, b[0])
        difference, more = a[0] - product, quotient * b[1]
        rest = (difference - product_error) + (a[1] - more)
        size = np.abs(difference) + np.abs(product_error) + np.abs(a[1]) + np.abs(more)
        result, is_certain = _rounded(quotient, rest / b[0], size / np.abs(b[0]))
        is_rounded_once = (a[1] == 0) & (b[1] == 0)
        ordinary = is_ordinary(a[0]) & is_ordinary(b[0]) & is_ordinary(quotient)
        return np.where(is_rounded_once, quotient, result), ordinary & (
            is_rounded_once | is_certain
        )


def _two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return ``a * b`` as a pair."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _split(x: Floats) -> tuple[Floats, Floats]:
    """Return two numbers of half the bits, whose sum is x."""
    scaled = x * _SPLIT
    high = scaled - (scaled - x)
    return high, x - high


def _rounded(x: Floats, rest: Floats, size: Floats) -> tuple[Floats, Booleans]:
    """Return ``x + rest``, where the error of ``rest`` is small beside ``size``."""
    error = size * _RELATIVE_ERROR
    above, below = x + (rest + error), x + (rest - error)
    return above, above == below
