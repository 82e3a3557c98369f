"""The distribution of a column for the HTML page, from its bins."""

import math

import numpy as np

from evenly.distribution.bins import Bins
from evenly.distribution.quantiles import OrderStatistics, quantiles
from evenly.distribution.shares import CumulativeCounts, histogram
from evenly.html_report.histogram import BINS
from evenly.html_report.summary import QUANTILES, TAILS, Distribution, Histogram

_FENCE = 3.0
"""Tukey's outer fence: values further from the quartiles than so many interquartile ranges are
far out. They would squeeze a histogram into a line."""
_SHARES = np.array([*QUANTILES, *TAILS])
Values = list[tuple[float, int]]


def distribution_of(bins: Bins, low: float, high: float, *, exact_ends: bool) -> Distribution:
    """Return what the page shows of a distribution.

    Parameters
    ----------
    low, high
        The smallest and the largest value; NaN without values.
    exact_ends
        Whether they are values of the column, rather than bounds.
    """
    values = OrderStatistics(bins, low, high, exact_ends=exact_ends)
    ranked = quantiles(values, _SHARES, "linear")
    shown, tails = np.split(ranked.estimate, [len(QUANTILES)])
    bounds = list(zip(ranked.low.tolist(), ranked.high.tolist(), strict=True))[: len(QUANTILES)]
    known = None
    if not bins.shift:
        known = list(zip(bins.lower.tolist(), bins.counts.tolist(), strict=True))
    drawn = _histogram(bins, low, high, shown.tolist(), known)
    return Distribution(shown.tolist(), bounds, tails.tolist(), drawn, known)


def _histogram(
    bins: Bins, low: float, high: float, marks: list[float], values: Values | None
) -> Histogram | None:
    """Return the histogram of a column over the range that most of its values have."""
    if not bins.total or not math.isfinite(high - low):
        return None
    cumulative = CumulativeCounts(bins, low, high)
    first, last, number = _range(low, high, marks, values)
    counts = histogram(cumulative, np.linspace(first, last, number + 1)).counts
    outside = max(0.0, 1 - float(counts.sum()) / bins.total)
    return Histogram(first, last, counts.tolist(), outside if outside > 1e-9 else 0.0)


def _range(
    low: float, high: float, marks: list[float], values: Values | None
) -> tuple[float, float, int]:
    """Return the range to show, and the number of bins.

    A few integers have a bin each. Values beyond the outer fences are not shown.
    """
    if low == high:
        half = abs(low) * 1e-3 or 0.5
        return low - half, high + half, 3
    if values and high - low < BINS and all(value.is_integer() for value, _ in values):
        return low - 0.5, high + 0.5, int(high - low) + 1
    first, third = marks[1], marks[3]
    if third == first:
        first, third = marks[0], marks[-1]
    margin = _FENCE * (third - first)
    if margin > 0:
        low, high = max(low, first - margin), min(high, third + margin)
    return low, high, BINS
