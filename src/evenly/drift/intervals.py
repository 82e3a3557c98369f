"""Confidence intervals of differences between two samples, from their exact moments."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from evenly.drift.facts import ColumnFacts, sqrt, together
from evenly.drift.student import normal_quantile, two_sided_quantile


class Interval(NamedTuple):
    """An estimate with the confidence interval of the quantity that it estimates."""

    value: float
    low: float
    high: float


def mean_shift(a: ColumnFacts, b: ColumnFacts, error: float) -> Interval | None:
    """Return the shift of the mean, in standard deviations of `a`, with Welch's interval.

    ::

        shift = (mean_b - mean_a) / std_a,    half width = t sqrt(1 / (n_a - 1) + r**2 / (n_b - 1))

    with ``r = std_b / std_a`` and Student's t for the degrees of freedom of Welch and
    Satterthwaite. The shift is the float64 nearest to that of the exact moments. If `a` is
    constant, it is infinite, or 0 for equal means.

    A sample whose values are all equal says nothing about its spread: the variance of both
    samples together stands for it. So a rare event that only one sample has is not a shift.

    Parameters
    ----------
    error
        The probability that the interval does not contain the true shift.
    """
    if a.mean is None or b.mean is None or a.variance is None or b.variance is None:
        return None
    difference, both = b.mean - a.mean, together(a, b)
    unit = both.variance or Fraction(1)  # a variance may be beyond the range of float64
    width = _welch_width([_with_spread(side, both) for side in (a, b)], unit, error)
    if not a.variance:
        return _of_constant(difference, math.sqrt(difference**2 / unit) <= width)
    shift = math.copysign(sqrt(difference**2 / a.variance), difference)
    half = width * sqrt(unit / a.variance)
    return Interval(shift, shift - half, shift + half)


def _welch_width(sides: list[ColumnFacts], unit: Fraction, error: float) -> float:
    """Return half of the width of Welch's interval; the variances are divided by a unit."""
    counts = [float(side.count) for side in sides]
    if min(counts) <= 1:
        return math.inf
    squares = [float((side.variance or 0) / unit / (side.count - 1)) for side in sides]
    freedom = _welch_freedom(squares, counts)
    return two_sided_quantile(error, freedom) * math.sqrt(sum(squares))


def _with_spread(side: ColumnFacts, both: ColumnFacts) -> ColumnFacts:
    """Return a sample; with the values of both if its own are all equal, at its own count."""
    return side if side.variance else replace(both, count=side.count)


def _of_constant(difference: Fraction, is_uncertain: bool) -> Interval:
    """Return the interval of a shift in units of a standard deviation of 0."""
    shift = math.copysign(math.inf, difference) if difference else 0.0
    if is_uncertain:
        end = math.inf if difference else 0.0
        return Interval(shift, -end, end)
    return Interval(shift, shift, shift)


def _welch_freedom(squares: list[float], counts: list[float]) -> float:
    """Return the degrees of freedom of Welch and Satterthwaite for squared standard errors."""
    total = sum(squares)
    if not total:
        return sum(counts) - 2
    # Shares of the total, because its square may be too small for a float64
    parts = [(s / total) ** 2 / (n - 1) for s, n in zip(squares, counts, strict=True)]
    return 1 / sum(parts)


def std_ratio(a: ColumnFacts, b: ColumnFacts, error: float) -> Interval | None:
    """Return ``std_b / std_a`` with Fieller's interval, which does not assume a normal law.

    The standard error of a variance is ``variance * sqrt((kurtosis - 1) / n + 2 / (n (n - 1)))``.
    The kurtosis is computed from the distribution; without one it is at most ``m**2``, if no value
    is further than ``m`` standard deviations from the mean. So the interval of a heavy-tailed
    column is wide, and infinite if a single value dominates its variance.
    """
    if a.variance is None or b.variance is None:
        return None
    if not a.variance:
        value = math.inf if b.variance else 1.0
    else:
        value = sqrt(b.variance / a.variance)
    low, high = _fieller(a, b, error)
    return Interval(value, low, high)


def _fieller(a: ColumnFacts, b: ColumnFacts, error: float) -> tuple[float, float]:
    """Return the ratios ``r`` with ``|var_b - r**2 var_a| <= t sqrt(se_b**2 + r**4 se_a**2)``."""
    if min(a.count, b.count) <= 1 or a.variance is None or b.variance is None:
        return 0.0, math.inf
    both = together(a, b)
    unit = both.variance or Fraction(1)
    va, vb = float(a.variance / unit), float(b.variance / unit)
    sides = [_with_spread(side, both) for side in (a, b)]
    squares = [_squared_error(side, unit) for side in sides]
    freedom = _welch_freedom(squares, [float(a.count), float(b.count)])
    t = two_sided_quantile(error, freedom)
    sa, sb = (t**2 * square for square in squares)
    if not va:
        return _ratio_to_constant(vb, sb)
    left, right = va**2 - sa, vb**2 - sb
    inner = va**2 * sb + vb**2 * sa - sa * sb
    if inner < 0:
        return 0.0, math.inf
    root = va * vb + math.sqrt(inner)
    low = math.sqrt(right / root) if right > 0 else 0.0
    high = math.sqrt(root / left) if left > 0 else math.inf
    return low, high


def _ratio_to_constant(vb: float, sb: float) -> tuple[float, float]:
    """Return the bounds of a ratio whose denominator is 0."""
    if not vb:
        return 1.0, 1.0
    return (math.inf, math.inf) if vb**2 > sb else (0.0, math.inf)


def _squared_error(side: ColumnFacts, unit: Fraction) -> float:
    """Return the square of the standard error of the variance, in a unit."""
    n = float(side.count)
    relative = max(0.0, kurtosis_bound(side) - 1) / n + 2 / (n * (n - 1))
    return float((side.variance or 0) / unit) ** 2 * relative


def kurtosis_bound(side: ColumnFacts) -> float:
    """Return a number that the kurtosis of the sample is at most; 1 for a constant column."""
    if not side.variance or side.mean is None or side.min is None or side.max is None:
        return 1.0
    mean, std = float(side.mean), sqrt(side.variance)
    bound = (max(side.max - mean, mean - side.min) / std) ** 2
    if side.bins is None or not len(side.bins.counts):
        return bound
    low, high = (side.bins.lower - mean) / std, (side.bins.upper - mean) / std
    farthest = np.maximum(abs(low), abs(high)) ** 4
    return min(bound, float(farthest @ side.bins.counts) / float(side.count))


def missing_difference(a: ColumnFacts, b: ColumnFacts, error: float) -> Interval | None:
    """Return how much larger the share of missing values is in `b`, with Newcombe's interval.

    Newcombe (1998) combines Wilson's intervals of both shares, which are right for shares of 0.
    """
    if not a.rows or not b.rows:
        return None
    z = normal_quantile(error)
    (p, p_low, p_high), (q, q_low, q_high) = (_wilson(side, z) for side in (a, b))
    below, above = math.hypot(q - q_low, p_high - p), math.hypot(q_high - q, p - p_low)
    return Interval(q - p, q - p - below, q - p + above)


def _wilson(side: ColumnFacts, z: float) -> Interval:
    """Return the share of missing values with Wilson's interval."""
    n, p = float(side.rows), side.missing_share
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Interval(p, min(p, center - half), max(p, center + half))
