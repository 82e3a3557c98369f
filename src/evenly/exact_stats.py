"""Compute correctly rounded float64 statistics from exact sums.

Every number here is *dyadic*: a pair ``(m, e)`` that represents ``m * 2**e``. Finite
floats are dyadic, and so are sums of floats, of their squares, and of their products
with weights. Python integers represent all of them exactly, so a mean, a variance or a
standard deviation is rounded only once, when it becomes a float64.

That step relies on one fact: ``int / int`` is correctly rounded in CPython, including
subnormal results (``long_true_divide`` in ``Objects/longobject.c`` keeps a sticky bit
and rounds half to even at the precision of the result).
"""

import math
from fractions import Fraction
from numbers import Rational
from typing import TypeAlias

from evenly.errors import DataError
from evenly.typing import Real

Dyadic: TypeAlias = tuple[int, int]

_EXACTLY = Fraction(0)
_SQRT_BITS = 56
"""Bits of the integer square root: 53 of a float64, one rounding bit, two spare bits."""


def fraction(value: Dyadic) -> Fraction:
    """Return ``m * 2**e`` as a Fraction."""
    m, e = value
    return Fraction(m << e) if e >= 0 else Fraction(m, 1 << -e)


def dyadic(value: int | float) -> Dyadic:
    """Return a finite number as ``(m, e)`` with ``m`` odd, or ``(0, 0)``."""
    m, denominator = value.as_integer_ratio()
    e = 1 - denominator.bit_length()
    if m == 0:
        return 0, 0
    zeros = (m & -m).bit_length() - 1
    return m >> zeros, e + zeros


def fits_int64(value: Dyadic) -> bool:
    """Return whether a total weight is an integer below 2**63."""
    return value[1] >= 0 and value[0].bit_length() + value[1] <= 63


def add(*values: Dyadic) -> Dyadic:
    """Return the exact sum of dyadic numbers (its mantissa may be even)."""
    low = min(e for _, e in values)
    return sum(m << (e - low) for m, e in values), low


def divide_rounded(m: int, n: int, e: int = 0) -> float:
    """Return the float64 nearest to ``m * 2**e / n``, for ``n > 0``.

    Ties round to even; a result that is too large becomes an infinity of its sign.
    """
    try:
        return (m << e) / n if e >= 0 else m / (n << -e)
    except OverflowError:
        return math.inf if m > 0 else -math.inf


def to_float(value: Dyadic) -> float:
    """Return the float64 nearest to a dyadic number."""
    m, e = value
    return divide_rounded(m, 1, e)


def mean(count: Dyadic, total: Dyadic) -> float:
    """Return the float64 nearest to ``total / count``; NaN when the count is 0."""
    n, ne = count
    if n == 0:
        return math.nan
    s, se = total
    return divide_rounded(s, n, se - ne)


def mean_remainder(count: Dyadic, total: Dyadic, hi: float) -> float:
    """Return the float64 nearest to ``total / count - hi``.

    If ``hi`` is the rounded mean, ``hi + lo`` represents the mean with about 106 bits:
    the pair of floats that Dekker (1971) calls a double-length number.
    """
    if not math.isfinite(hi):
        return 0.0
    n, ne = count
    s, se = total
    h, he = dyadic(hi)
    # s * 2**se / (n * 2**ne) - h * 2**he, over the denominator n * 2**ne
    low = min(se, he + ne)
    return divide_rounded((s << (se - low)) - ((h * n) << (he + ne - low)), n, low - ne)


def squared_deviations(count: Dyadic, total: Dyadic, squares: Dyadic) -> Dyadic:
    """Return ``count * squares - total**2``: the squared deviations times the count.

    It is exactly 0 if and only if all values are the same (Cauchy-Schwarz). This is the
    test for a constant column; it has no tolerance.
    """
    n, ne = count
    s, se = total
    q, qe = squares
    low = min(ne + qe, 2 * se)
    return ((n * q) << (ne + qe - low)) - ((s * s) << (2 * se - low)), low


def is_constant(
    count: Dyadic, total: Dyadic, squares: Dyadic, tolerance: Fraction = _EXACTLY
) -> bool:
    """Return whether all values are the same, or nearly so.

    They are nearly the same when the variance is at most ``tolerance**2`` times the mean of the
    squares: when the standard deviation is at most ``tolerance`` times the size of the values.
    The comparison is exact, so it does not depend on the order of the rows or on their unit.
    """
    if count[0] == 0:
        return False
    deviations = squared_deviations(count, total, squares)
    if not tolerance or not deviations[0]:
        return deviations[0] == 0
    return fraction(deviations) <= tolerance**2 * fraction(count) * fraction(squares)


def variance_ratio(
    count: Dyadic, total: Dyadic, squares: Dyadic, correction: Fraction
) -> tuple[int, int, int] | None:
    """Return integers ``(p, q, e)`` with variance ``p * 2**e / q``; None when undefined.

    The variance is ``sum((x - mean)**2) / (count - correction)``, in sums::

        (count * squares - total**2) / (count * (count - correction))

    It is undefined when ``count <= correction``.
    """
    n, ne = count
    c, d = correction.numerator, correction.denominator
    # f / d * 2**fe is count - correction, the degrees of freedom
    fe = min(ne, 0)
    f = ((n * d) << (ne - fe)) - (c << -fe)
    if n == 0 or f <= 0:
        return None
    p, e = squared_deviations(count, total, squares)
    return p * d, n * f, e - ne - fe


def variance(count: Dyadic, total: Dyadic, squares: Dyadic, correction: Fraction) -> float:
    """Return the float64 nearest to the variance; NaN when ``count <= correction``."""
    ratio = variance_ratio(count, total, squares, correction)
    return math.nan if ratio is None else divide_rounded(*ratio)


def std(count: Dyadic, total: Dyadic, squares: Dyadic, correction: Fraction) -> float:
    """Return the float64 nearest to the standard deviation; NaN like the variance."""
    ratio = variance_ratio(count, total, squares, correction)
    return math.nan if ratio is None else sqrt_rounded(*ratio)


def sqrt_rounded(p: int, q: int, e: int) -> float:
    """Return the float64 nearest to ``sqrt(p * 2**e / q)``, for ``p >= 0`` and ``q > 0``.

    The ratio is scaled by a power of four, so that its integer root ``r`` has at least 55
    bits. There every float64 and every midpoint of two is a multiple of 2, so none is
    strictly between ``r`` and ``r + 1``, and an inexact root rounds as ``r + 1/2`` does.
    (Subnormal results have fewer bits, so the same holds.)
    """
    if p == 0:
        return 0.0
    shift = 2 * _SQRT_BITS - (p.bit_length() - q.bit_length())
    shift += (e - shift) & 1  # the remaining power of two must be even
    r, exact = _integer_sqrt(p, q, shift)
    return divide_rounded(r if exact else 2 * r + 1, 1, (e - shift) // 2 - (not exact))


def _integer_sqrt(p: int, q: int, shift: int) -> tuple[int, bool]:
    """Return ``floor(sqrt(p * 2**shift / q))``, and whether it is exact."""
    if shift >= 0:
        p <<= shift
    else:
        q <<= -shift
    quotient, remainder = divmod(p, q)
    r = math.isqrt(quotient)
    return r, remainder == 0 and r * r == quotient


def as_correction(correction: Real) -> Fraction:
    """Validate the correction and return it as a Fraction.

    Raises
    ------
    DataError
        When it is negative, NaN, infinite, or not a number.
    """
    try:
        if isinstance(correction, Rational):  # also NumPy integers, which become Python integers
            exact = Fraction(int(correction.numerator), int(correction.denominator))
        else:
            exact = Fraction(*correction.as_integer_ratio())
    except (AttributeError, ValueError, OverflowError):  # not a number, NaN, infinity
        exact = Fraction(-1)
    if exact < 0:
        raise DataError(
            f"correction must be a finite number, 0 or more. Received: {correction!r}. "
            "Pass 0 for the variance of the data as given, 1 for the unbiased estimate."
        )
    return exact


_NO_TOLERANCE = Fraction(0)


def as_tolerance(tolerance: Real) -> Fraction:
    """Validate the tolerance of constant columns and return it as a Fraction.

    Raises
    ------
    DataError
        When it is not a number from 0 to less than 1.

    >>> as_tolerance(0.5)
    Fraction(1, 2)
    """
    if type(tolerance) is float and tolerance == 0:  # the default
        return _NO_TOLERANCE
    try:
        exact = Fraction(tolerance)
    except (TypeError, ValueError, OverflowError):  # not a number, NaN, infinity
        exact = Fraction(-1)
    if not 0 <= exact < 1:
        raise DataError(
            f"tolerance must be a number from 0 to less than 1. Received: {tolerance!r}. "
            "Pass 0 if only columns of equal values are constant; 1e-12, for example, if columns "
            "of float64 that differ in their last digits are constant too."
        )
    return exact
