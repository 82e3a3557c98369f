"""Quantiles of columns, with the interval that certainly contains each."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.distribution.bins import Bins, Floats, lower_ends, upper_ends
from evenly.distribution.column_bins import ColumnBins, batches
from evenly.distribution.numbers import as_floats
from evenly.errors import DataError, check_choice
from evenly.exact_pairs import interpolate

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
Ranks = npt.NDArray[np.int64]


class Ranked(NamedTuple):
    """Values of columns that are known to be in an interval.

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
    """The values of each column in ascending order, with the precision of its bins.

    Parameters
    ----------
    bins
        The bins of the columns.
    low, high
        The smallest and the largest value of each column, or bounds of them.
    exact_ends
        Whether they are values of the column.
    """

    def __init__(self, bins: ColumnBins, low: Floats, high: Floats, *, exact_ends: bool) -> None:
        self._bins = bins
        self._ends = np.cumsum(bins.counts)  # over all columns
        stops = np.cumsum(bins.sizes)
        self._first, self._last = stops - bins.sizes, stops - 1
        before = np.concatenate([[0], self._ends])
        self._before = before[self._first]  # values of the columns before
        self.count = before[stops] - self._before
        self._low, self._high = low, high
        self._exact_ends = exact_ends

    def at(self, ranks: Ranks) -> Ranked:
        """Return the values with some ranks of each column, from 0 to ``count - 1``.

        Within a bin, values are assumed to be spread evenly. The last axis of the ranks is that of
        the columns, all of which must have values.
        """
        index = np.searchsorted(self._ends, self._before + ranks, side="right")
        low, high = self._lower(index), self._upper(index)
        if self._exact_ends:
            high = np.where(ranks == 0, self._lower(self._first), high)
            low = np.where(ranks == self.count - 1, self._upper(self._last), low)
        counts = self._bins.counts[index]
        within = ranks - (self._ends[index] - self._before - counts)
        share = (within + 0.5) / counts
        estimate = np.clip(low * (1 - share) + high * share, low, high)
        return Ranked(estimate, low, high)

    def _lower(self, index: Ranks) -> Floats:
        return np.maximum(lower_ends(self._bins.keys[index], self._bins.shifts), self._low)

    def _upper(self, index: Ranks) -> Floats:
        return np.minimum(upper_ends(self._bins.keys[index], self._bins.shifts), self._high)


def column_quantiles(
    columns: Sequence[Bins], ends: npt.ArrayLike, q: Floats, *, exact_ends: bool
) -> Ranked:
    """Return the quantiles of columns that need not be of one state.

    Parameters
    ----------
    columns
        The bins of each column.
    ends
        The smallest and the largest value of each column, or bounds of them.
    exact_ends
        Whether they are values of the column.

    Returns
    -------
    Ranked
        Arrays of shape (numbers in q, columns).
    """
    low, high = np.asarray(ends, np.float64).reshape(-1, 2).T
    parts = [
        quantiles(ColumnBins.of(columns[at]), low[at], high[at], q, "linear", exact_ends=exact_ends)
        for at in batches(columns)
    ]
    return Ranked(*(np.concatenate(part, axis=1) for part in zip(*parts, strict=True)))


def quantiles(
    bins: ColumnBins, low: Floats, high: Floats, q: Floats, method: str, *, exact_ends: bool
) -> Ranked:
    """Return the quantiles of each column; NaN if it has no values.

    Parameters
    ----------
    bins, low, high, exact_ends
        As for `OrderStatistics`.
    q
        Numbers from 0 to 1.
    method
        How to choose between the two nearest values, as in `numpy.quantile`. A value between them
        is rounded once.

    Returns
    -------
    Ranked
        Arrays of shape (numbers in q, columns).
    """
    found = bins.sizes > 0
    if found.all():
        values = OrderStatistics(bins, low, high, exact_ends=exact_ends)
        return _quantiles(values, q[:, np.newaxis], method)
    result = Ranked(*np.full((3, len(q), len(found)), np.nan))
    if found.any():
        some = ColumnBins(bins.shifts[found], bins.sizes[found], bins.keys, bins.counts)
        ranked = quantiles(some, low[found], high[found], q, method, exact_ends=exact_ends)
        for whole, part in zip(result, ranked, strict=True):
            whole[:, found] = part
    return result


def _quantiles(values: OrderStatistics, q: Floats, method: str) -> Ranked:
    last = values.count - 1
    rank = q * last
    below = np.clip(np.floor(rank), 0, last).astype(np.int64)
    above = np.minimum(below + 1, last)
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
    between = (share > 0) & (a != b)
    ends: Any = a[between], b[between], share[between]
    rounded, is_certain = interpolate(*ends)
    for index in np.flatnonzero(~is_certain):
        low, high, part = (Fraction(float(x[index])) for x in ends)
        rounded[index] = float(low + (high - low) * part)
    result[between] = rounded
    return result


def check_quantiles(q: npt.ArrayLike, method: str) -> Floats:
    """Return the shares of quantiles as an array, after checking them and the method."""
    check_choice("method", method, METHODS)
    shares = as_floats(q)
    if shares is None or not ((shares >= 0) & (shares <= 1)).all():
        raise DataError(
            f"A quantile must be from 0 to 1. Received: {q!r}. The median is 0.5, and "
            "the 99th percentile 0.99."
        )
    return shares
