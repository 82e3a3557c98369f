"""Confidence intervals of differences between two samples, from their exact moments."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from evenly import exact_stats
from evenly.drift.facts import ColumnFacts, pool, sqrt, to_float
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
    Satterthwaite (Welch, *Biometrika* 34, 1947). The shift is the float64 nearest to that of the
    exact moments. If `a` is constant, it is infinite, or 0 for equal means.

    For a sample whose values are all equal, the pooled variance of both samples is used instead
    of 0. So a rare event that occurs in one sample only is not a shift.

    Parameters
    ----------
    error
        The probability that the interval does not contain the true shift.
    """
    if a.mean is None or b.mean is None or a.variance is None or b.variance is None:
        return None
    difference = b.mean - a.mean
    unit = pool(a, b).variance or Fraction(1)  # a variance may be beyond the range of float64
    width = _welch_width(_with_spread(a, b), unit, error)
    distance = _times_root(difference, 1 / unit)
    if not a.variance:
        return _of_constant(difference, abs(distance) <= width)
    shift = _times_root(difference, 1 / a.variance)
    ends = (_times_root(distance + half, unit / a.variance) for half in (-width, width))
    return Interval(shift, min(shift, next(ends)), max(shift, next(ends)))


def _times_root(value: Fraction | float, square: Fraction) -> float:
    """Return the float64 nearest to ``value * sqrt(square)``."""
    if isinstance(value, float) and not math.isfinite(value):
        return value
    p, q = value.as_integer_ratio()
    root = exact_stats.sqrt_rounded(p**2 * square.numerator, q**2 * square.denominator, 0)
    return -root if value < 0 else root


def _welch_width(sides: list[ColumnFacts], unit: Fraction, error: float) -> float:
    """Return half of the width of Welch's interval; the variances are divided by a unit."""
    if min(side.count for side in sides) <= 1:
        return math.inf
    squares = [to_float((side.variance or 0) / unit / (side.count - 1)) for side in sides]
    t = two_sided_quantile(error, _welch_freedom(squares, sides))
    return t * math.sqrt(sum(squares))


def _with_spread(a: ColumnFacts, b: ColumnFacts) -> list[ColumnFacts]:
    """Return the samples; one whose values are all equal gets the pooled variance."""
    if a.variance and b.variance:
        return [a, b]
    both = pool(a, b)
    return [side if side.variance else replace(both, count=side.count) for side in (a, b)]


def _of_constant(difference: Fraction, is_uncertain: bool) -> Interval:
    """Return the interval of a shift in units of a standard deviation of 0."""
    shift = 0.0 if not difference else math.inf if difference > 0 else -math.inf
    if is_uncertain:
        end = math.inf if difference else 0.0
        return Interval(shift, -end, end)
    return Interval(shift, shift, shift)


def _welch_freedom(squares: list[float], sides: list[ColumnFacts]) -> float:
    """Return the degrees of freedom of Welch and Satterthwaite for squared standard errors."""
    freedoms = [to_float(side.count - 1) for side in sides]
    total = sum(squares)
    if not total:
        return sum(freedoms)
    # Shares of the total, because its square may be too small for a float64
    parts = sum((s / total) ** 2 / freedom for s, freedom in zip(squares, freedoms, strict=True))
    return 1 / parts if parts else math.inf


def std_ratio(a: ColumnFacts, b: ColumnFacts, error: float) -> Interval | None:
    """Return ``std_b / std_a`` with Fieller's interval, for values of any distribution.

    The interval of a ratio is that of Fieller (*J. R. Stat. Soc. B* 16, 1954).
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
    """Return the ratios ``r`` with ``|var_b - r**2 var_a| <= t sqrt(se_b**2 + r**4 se_a**2)``.

    Each variance has its own unit, in which it is 1 (or 0), since one may be too small for a
    float64 in the unit of the other.
    """
    if min(a.count, b.count) <= 1:
        return 0.0, math.inf
    sides = _with_spread(a, b)
    unit_a, unit_b = (side.variance or Fraction(1) for side in sides)
    errors = [_relative_error(side) for side in sides]
    squares = [
        to_float((unit / max(unit_a, unit_b)) ** 2) * relative
        for unit, relative in zip((unit_a, unit_b), errors, strict=True)
    ]
    t = two_sided_quantile(error, _welch_freedom(squares, sides))
    sa, sb = (t**2 * relative for relative in errors)
    if not a.variance:
        return _ratio_to_constant(b, sb)
    vb = 1.0 if b.variance else 0.0
    inner = sb + vb * sa - sa * sb
    if not 0 <= inner < math.inf:
        return 0.0, math.inf
    root = vb + math.sqrt(inner)
    left, right = 1 - sa, vb - sb
    low = math.sqrt(right / root) if right > 0 else 0.0
    high = math.sqrt(root / left) if left > 0 else math.inf
    return _times_root(low, unit_b / unit_a), _times_root(high, unit_b / unit_a)


def _ratio_to_constant(b: ColumnFacts, sb: float) -> tuple[float, float]:
    """Return the bounds of a ratio whose denominator is 0."""
    if not b.variance:
        return 1.0, 1.0
    return (math.inf, math.inf) if sb < 1 else (0.0, math.inf)


def _relative_error(side: ColumnFacts) -> float:
    """Return the square of the standard error of the variance, over that of the variance."""
    n, freedom = to_float(side.count), to_float(side.count - 1)
    return max(0.0, kurtosis_bound(side) - 1) / n + 2 / n / freedom


def kurtosis_bound(side: ColumnFacts) -> float:
    """Return an upper bound of the kurtosis of the sample; 1 for a constant column."""
    if not side.variance or side.mean is None or side.min is None or side.max is None:
        return 1.0
    farthest = max(Fraction(side.max) - side.mean, side.mean - Fraction(side.min))
    bound = to_float(farthest**2 / side.variance)
    if side.bins is None or not len(side.bins.counts):
        return bound
    p, q = side.variance.as_integer_ratio()
    power = (p.bit_length() - q.bit_length()) // 2
    unit = Fraction(2) ** power  # near the standard deviation
    mean, std = to_float(side.mean / unit), sqrt(side.variance / unit**2)
    with np.errstate(over="ignore", invalid="ignore"):
        ends = [
            (np.ldexp(edges, -power) - mean) / std for edges in (side.bins.lower, side.bins.upper)
        ]
        fourth = np.maximum(abs(ends[0]), abs(ends[1])) ** 4
        return min(bound, float(fourth @ side.bins.counts) / to_float(side.count))


def missing_difference(a: ColumnFacts, b: ColumnFacts, error: float) -> Interval | None:
    """Return the share of missing values in `b` minus that in `a`, with Newcombe's interval.

    Newcombe (*Statistics in Medicine* 17, 1998, method 10) combines Wilson's intervals of both
    shares, which are valid for shares of 0.
    """
    if not a.rows or not b.rows:
        return None
    z = normal_quantile(error)
    (p, p_low, p_high), (q, q_low, q_high) = (_wilson(side, z) for side in (a, b))
    below, above = math.hypot(q - q_low, p_high - p), math.hypot(q_high - q, p - p_low)
    return Interval(q - p, q - p - below, q - p + above)


def _wilson(side: ColumnFacts, z: float) -> Interval:
    """Return the share of missing values with Wilson's interval."""
    p, square = side.missing_share, Fraction(z) ** 2
    prior = to_float(square / (side.rows + square))  # the weight of a share of one half
    center = p * (1 - prior) + prior / 2
    half = math.sqrt(prior * (1 - prior) * p * (1 - p) + prior**2 / 4)
    return Interval(p, min(p, center - half), max(p, center + half))
