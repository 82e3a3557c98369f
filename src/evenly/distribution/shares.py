"""Cumulative counts of a column, shares of its values, and histograms with given edges."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.distribution.bins import Bins, Floats
from evenly.distribution.numbers import as_floats
from evenly.errors import DataError

_MOST_BINS = 1_000_000
"""The maximum number of bins of equal width: far more than a column keeps."""


class Histogram(NamedTuple):
    """A histogram, in the form of `numpy.histogram`.

    Attributes
    ----------
    counts
        The number of values between two edges, the last edge included. Values of a bin that an
        edge divides are shared out in proportion.
    edges
        The edges, one more than counts.
    """

    counts: Floats
    edges: Floats


class CumulativeCounts:
    """The number of values of a column up to a point.

    Parameters
    ----------
    bins
        The bins of the column.
    low, high
        Bounds of its values.
    """

    def __init__(self, bins: Bins, low: float, high: float) -> None:
        self.count = bins.total
        self._lower = np.maximum(bins.lower, low)
        self._upper = np.minimum(bins.upper, high)
        self._counts = bins.counts
        self._before = np.concatenate(([0], np.cumsum(bins.counts)))

    def bounds(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the smallest and the largest possible number of values up to each x."""
        low = self._before[np.searchsorted(self._upper, x, side="right")]
        high = self._before[np.searchsorted(self._lower, x, side="right")]
        return low.astype(np.float64), high.astype(np.float64)

    def up_to(self, x: Floats, *, inclusive: bool = True) -> Floats:
        """Return an estimate of the number of values up to each x; exact unless x is in a bin.

        Parameters
        ----------
        inclusive
            Whether values equal to x are counted.
        """
        index = np.searchsorted(self._upper, x, side="right" if inclusive else "left")
        known = self._before[index].astype(np.float64)
        if not len(self._counts):
            return known
        index = np.minimum(index, len(self._counts) - 1)
        low, high = self._lower[index], self._upper[index]
        inside = (low < x) & (x < high)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            # Halves, since a difference of two large numbers may overflow.
            share = (x / 2 - low / 2) / (high / 2 - low / 2)
        return known + np.where(inside, share, 0.0) * self._counts[index]


def shares(cumulative: CumulativeCounts, counts: Floats, x: Floats) -> Floats:
    """Return counts as shares of all values; NaN without values, and for NaN."""
    if not cumulative.count:
        return np.full(x.shape, np.nan)
    return np.where(np.isnan(x), np.nan, counts / cumulative.count)


def histogram(cumulative: CumulativeCounts, edges: Floats) -> Histogram:
    """Return the histogram of a column with given edges."""
    below = cumulative.up_to(edges, inclusive=False)
    if len(edges):
        below[-1] = cumulative.up_to(edges[-1:])[0]
    return Histogram(np.diff(below), edges)


def make_edges(bins: npt.ArrayLike, range: tuple[float, float] | None, ends: Floats) -> Floats:
    """Return the edges of a histogram: those that are given, or of equal width.

    Parameters
    ----------
    bins
        The number of bins, or their edges.
    range
        The first and the last edge. None: the smallest and the largest value.
    ends
        The smallest and the largest value.
    """
    given = np.asarray(bins)
    if given.ndim == 1:
        edges = as_floats(given)
        if edges is None or len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise _bins_error(bins)
        return edges
    if given.ndim or given.dtype.kind not in "iu" or not 1 <= given <= _MOST_BINS:
        raise _bins_error(bins)
    low, high = map(float, ends if range is None else range)
    if range is None and np.isnan(low):  # a column without values
        low, high = 0.0, 1.0
    if not low <= high or not np.isfinite([low, high]).all():
        raise DataError(
            f"range must be two finite numbers in ascending order. Received: {range!r}. Omit it to "
            "use the smallest and the largest value."
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    steps = np.linspace(0.0, 1.0, int(given) + 1)
    return np.asarray(low * (1 - steps) + high * steps, np.float64)


def _bins_error(bins: object) -> DataError:
    return DataError(
        f"bins must be a number of bins from 1 to {_MOST_BINS:,}, or at least two edges in "
        f"ascending order. Received: {bins!r}. Pass 64, for example."
    )
