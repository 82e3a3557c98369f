"""Distances between two distributions, from the bins that they have in common."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from evenly.distribution import Bins
from evenly.distribution.bins import Floats, Keys
from evenly.drift.facts import ColumnFacts, sqrt
from evenly.drift.intervals import Interval

_PSI_BINS = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """The distances of two distributions.

    Attributes
    ----------
    ks
        The Kolmogorov-Smirnov distance: the largest difference between the distribution
        functions, of the samples at the ends of the bins.
    ks_bounds
        The interval that certainly contains the distance between the samples.
    wasserstein
        The Wasserstein-1 distance in standard deviations of the first: the mean distance by
        which values must be moved to turn one distribution into the other.
    psi
        The population stability index over the deciles of the first.
    """

    ks: Interval
    ks_bounds: tuple[float, float]
    wasserstein: Interval
    psi: float


@dataclass(frozen=True, slots=True)
class _Shares:
    """The shares of a sample in some bins, from whole counts: none is above 1.

    Attributes
    ----------
    own, before, after
        In each bin, in all bins before it, and up to its end.
    """

    own: Floats
    before: Floats
    after: Floats


@dataclass(frozen=True, slots=True)
class _Common:
    """Shares of two samples in the bins that either occupies, and where the bins are."""

    lower: Floats
    upper: Floats
    a: _Shares
    b: _Shares


def shape_distance(a: ColumnFacts, b: ColumnFacts, error: float) -> Shape | None:
    """Compute the distances of two distributions; None if one has no bins.

    Both intervals follow from the inequality of Dvoretzky, Kiefer and Wolfowitz with the constant
    of Massart (*Annals of Probability* 18, 1990): for any distribution, the empirical distribution
    function is uniformly within ``sqrt(log(4 / error) / (2 n))`` of the true one.
    """
    if a.bins is None or b.bins is None or not (len(a.bins.keys) and len(b.bins.keys)):
        return None
    common = _common(a.bins, b.bins, _extremes(a, b))
    band = sum(math.sqrt(math.log(4 / error) / 2 / float(side.count)) for side in (a, b))
    low, high = _ks_bounds(common)
    ks = Interval(low, max(0.0, low - band), min(1.0, high + band))
    return Shape(ks, (low, high), _wasserstein(common, band, a), _psi(common, a, b))


def _extremes(a: ColumnFacts, b: ColumnFacts) -> tuple[float, float]:
    lows = [side.min for side in (a, b) if side.min is not None]
    highs = [side.max for side in (a, b) if side.max is not None]
    return min(lows), max(highs)


def _common(a: Bins, b: Bins, extremes: tuple[float, float]) -> _Common:
    """Return both distributions on their common bins, which end at the extremes."""
    shift = max(a.shift, b.shift)
    a, b = a.coarsen(shift), b.coarsen(shift)
    keys, first = np.unique(np.concatenate([a.keys, b.keys]), return_index=True)
    lower = np.concatenate([a.lower, b.lower])[first]
    upper = np.concatenate([a.upper, b.upper])[first]
    shares = (_shares(side, keys) for side in (a, b))
    return _Common(np.clip(lower, *extremes), np.clip(upper, *extremes), *shares)


def _shares(bins: Bins, keys: Keys) -> _Shares:
    counts = np.zeros(len(keys), np.int64)
    counts[np.searchsorted(keys, bins.keys)] = bins.counts
    after = np.cumsum(counts)
    return _Shares(counts / after[-1], (after - counts) / after[-1], after / after[-1])


def _ks_bounds(common: _Common) -> tuple[float, float]:
    """Return the bounds of the distance: at the ends of the bins, and within them."""
    a, b = common.a, common.b
    is_wide = common.upper > common.lower
    inside = np.maximum(abs(b.before - a.after), abs(b.after - a.before))
    low = float(abs(b.after - a.after).max())
    return low, max(low, float(inside.max(initial=0.0, where=is_wide)))


def _wasserstein(common: _Common, band: float, a: ColumnFacts) -> Interval:
    """Return the integral of the difference, over the standard deviation of the first.

    Within a bin, the estimate assumes values that are spread evenly; the interval covers values as
    near to and as far from those of the other sample as possible.
    """
    before, after = common.b.before - common.a.before, common.b.after - common.a.after
    # A power of two at which sums of values neither overflow nor underflow
    power = math.frexp(max(abs(common.lower[0]), abs(common.upper[-1])))[1]
    lower, upper = (np.ldexp(edges, -power) for edges in (common.lower, common.upper))
    std = sqrt((a.variance or 0) / Fraction(4) ** power)
    width, gap = upper - lower, lower[1:] - upper[:-1]
    between = abs(after[:-1])
    least, most = common.b.before - common.a.after, common.b.after - common.a.before
    nearest = np.where((least < 0) & (most > 0), 0.0, np.minimum(abs(least), abs(most)))
    farthest = np.maximum(abs(least), abs(most))
    value = between @ gap + _mean_size(before, after) @ width
    low = (between - band).clip(0) @ gap + (nearest - band).clip(0) @ width
    high = (between + band).clip(max=1) @ gap + (farthest + band).clip(max=1) @ width
    return Interval(*(_over(float(distance), std) for distance in (value, low, high)))


def _mean_size(before: Floats, after: Floats) -> Floats:
    """Return the mean of the absolute value of a line between two values."""
    sizes = abs(before) + abs(after)
    crosses = before * after < 0
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (before**2 + after**2) / (2 * sizes)
    return np.where(crosses, crossing, sizes / 2)


def _over(distance: float, std: float) -> float:
    return distance / std if std else math.inf if distance else 0.0


def _psi(common: _Common, a: ColumnFacts, b: ColumnFacts) -> float:
    """Return the sum of ``(q - p) log(q / p)`` over the deciles of the first.

    Half a row is added to each decile, so that an empty one does not make it infinite.
    """
    decile = np.minimum((common.a.before * _PSI_BINS + 1e-9).astype(np.intp), _PSI_BINS - 1)
    shares: list[Floats] = []
    for share, side in ((common.a, a), (common.b, b)):
        n = float(side.count)
        counts = np.bincount(decile, share.own, _PSI_BINS)[np.unique(decile)] * n + 0.5
        shares.append(counts / counts.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())
