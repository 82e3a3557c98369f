"""Quantiles of a column, with the interval that certainly contains each."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.distribution.bins import Bins, Floats
from evenly.errors import DataError, check_choice

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


class Ranked(NamedTuple):
    """Values of a column that are known to be in an interval.

    Attributes
    ----------
    estimate
        A value in the interval; the exact one if it is a single value.
    low, high
        The ends of the interval.
    """

    estimate: Floats
    low: Floats
    high: Floats


class OrderStatistics:
    """The values of a column in ascending order, with the precision of its bins.

    Parameters
    ----------
    bins
        The bins of the column.
    low, high
        The smallest and the largest value, or bounds of them.
    exact_ends
        Whether they are values of the column.
    """

    def __init__(self, bins: Bins, low: float, high: float, *, exact_ends: bool) -> None:
        self.count = bins.total
        self._ends = np.cumsum(bins.counts)
        self._counts = bins.counts
        self._lower = np.maximum(bins.lower, low)
        self._upper = np.minimum(bins.upper, high)
        self._exact_ends = exact_ends

    def at(self, ranks: npt.NDArray[np.int64]) -> Ranked:
        """Return the values with some ranks, from 0 to ``count - 1``.

        Within a bin, values are assumed to be spread evenly.
        """
        index = np.searchsorted(self._ends, ranks, side="right")
        low, high = self._lower[index], self._upper[index]
        if self._exact_ends:
            high = np.where(ranks == 0, self._lower[0], high)
            low = np.where(ranks == self.count - 1, self._upper[-1], low)
        within = ranks - (self._ends[index] - self._counts[index])
        share = (within + 0.5) / self._counts[index]
        estimate = np.clip(low * (1 - share) + high * share, low, high)
        return Ranked(estimate, low, high)


def quantiles(values: OrderStatistics, q: Floats, method: str) -> Ranked:
    """Return the quantiles of a column; NaN if it has no values.

    Parameters
    ----------
    values
        The values of the column.
    q
        Numbers from 0 to 1.
    method
        How to choose between the two nearest values, as in `numpy.quantile`. The result is
        rounded once.
    """
    if not values.count:
        nothing = np.full(q.shape, np.nan)
        return Ranked(nothing, nothing, nothing)
    rank = q * (values.count - 1)
    below = np.clip(np.floor(rank), 0, values.count - 1).astype(np.int64)
    above = np.minimum(below + 1, values.count - 1)
    if method == "nearest":
        return values.at(np.where(np.rint(rank) > below, above, below))
    rest = rank - below
    if method == "lower":
        return values.at(below)
    if method == "higher":
        return values.at(np.where(rest > 0, above, below))
    if method == "midpoint":
        rest = np.where(rest > 0, 0.5, 0.0)
    return Ranked(
        *(_between(a, b, rest) for a, b in zip(values.at(below), values.at(above), strict=True))
    )


def _between(a: Floats, b: Floats, share: Floats) -> Floats:
    """Return the float64 nearest to ``a + (b - a) * share``."""
    result = a.copy()
    for index in np.flatnonzero((share > 0) & (a != b)):
        low, high, part = (Fraction(float(x[index])) for x in (a, b, share))
        result[index] = float(low + (high - low) * part)
    return result


def check_quantiles(q: npt.ArrayLike, method: str) -> Floats:
    """Return the shares of quantiles as an array, after checking them and the method."""
    check_choice("method", method, METHODS)
    shares = np.asarray(q, np.float64)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise DataError(
            f"A quantile must be from 0 to 1. Received: {q!r}. The median is 0.5, and "
            "the 99th percentile 0.99."
        )
    return shares
