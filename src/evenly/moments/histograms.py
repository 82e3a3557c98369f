"""Histograms and quantiles of columns for the HTML pages, from their bins."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evenly.distribution.bins import Bins, Floats
from evenly.distribution.quantiles import column_quantiles
from evenly.distribution.shares import CumulativeCounts, histogram
from evenly.html_report.histogram import BINS
from evenly.html_report.summary import QUANTILES, TAILS, Bars, Distribution

_FENCE = 3.0
"""Tukey's outer fences, in interquartile ranges from the quartiles. A histogram leaves out values
beyond them, which would compress all other values into one bin."""
_SHARES = np.array([*QUANTILES, *TAILS])


class Sample(NamedTuple):
    """The bins of a column, with its extremes and the quantiles that a page shows.

    Attributes
    ----------
    bins
        The bins of the column.
    low, high
        The smallest and the largest value; NaN without values.
    quantiles
        Those of `QUANTILES`, in order.
    """

    bins: Bins
    low: float
    high: float
    quantiles: Sequence[float]


def summarize_bins(bins: Bins, low: float, high: float) -> Sample:
    """Compute the sample of a column from its bins, its minimum and its maximum."""
    marks = column_quantiles([bins], [low, high], np.array(QUANTILES), exact_ends=False)
    return Sample(bins, low, high, marks.estimate[:, 0].tolist())


def distributions(
    columns: Sequence[Bins], ends: Sequence[tuple[float, float]], *, exact_ends: bool
) -> list[Distribution]:
    """Return the quantiles, the histogram and the distinct values of columns for a page.

    Parameters
    ----------
    ends
        The smallest and the largest value of each column; NaN without values.
    exact_ends
        Whether they are values of the column, rather than bounds.
    """
    if not columns:
        return []
    ranked = column_quantiles(columns, ends, _SHARES, exact_ends=exact_ends)
    parts = (part.T.tolist() for part in ranked)
    return [
        _distribution(Sample(bins, low, high, estimate), list(zip(*bounds, strict=True)))
        for bins, (low, high), estimate, *bounds in zip(columns, ends, *parts, strict=True)
    ]


def _distribution(sample: Sample, bounds: list[tuple[float, float]]) -> Distribution:
    """Return the distribution of a sample with the quantiles of `_SHARES`, and their bounds."""
    bins, number = sample.bins, len(QUANTILES)
    marks, tails = sample.quantiles[:number], sample.quantiles[number:]
    known = None
    if not bins.shift:
        known = list(zip(bins.lower.tolist(), bins.counts.tolist(), strict=True))
    drawn = histograms([sample._replace(quantiles=marks)])
    return Distribution(marks, bounds[:number], tails, drawn[0] if drawn else None, known)


def histograms(samples: Sequence[Sample]) -> list[Bars]:
    """Return the histograms of samples, all with the same edges.

    The list is empty if a sample has no values, or if the range is too large for a float64.
    """
    if not all(sample.bins.total for sample in samples):
        return []
    low, high, number = _range(samples)
    if not math.isfinite(high - low):
        return []
    edges = np.linspace(low, high, number + 1)
    return [_histogram(sample, edges) for sample in samples]


def _histogram(sample: Sample, edges: Floats) -> Bars:
    counts = histogram(CumulativeCounts(sample.bins, sample.low, sample.high), edges).counts
    outside = 1 - float(counts.sum()) / sample.bins.total
    low, high = edges[[0, -1]].tolist()
    return Bars(low, high, counts.tolist(), outside if outside > 1e-9 else 0.0)


def _range(samples: Sequence[Sample]) -> tuple[float, float, int]:
    """Return the range of a histogram that contains most values, and the number of bins.

    Each bin of integers has the same number of them: otherwise the bins would differ where the
    values do not. Values beyond the outer fences are not shown, except those of few integers.
    """
    low, high = min(sample.low for sample in samples), max(sample.high for sample in samples)
    if low == high:
        half = abs(low) * 1e-3 or 0.5
        return low - half, high + half, 3
    are_integers = all(_are_integers(sample.bins) for sample in samples)
    if not are_integers or high - low >= BINS:
        fences = [_fences(sample) for sample in samples]
        low, high = min(low for low, _ in fences), max(high for _, high in fences)
    if not are_integers:
        return low, high, BINS
    first, last = math.ceil(low), math.floor(high)
    width = (last - first) // BINS + 1
    number = (last - first) // width + 1
    return first - 0.5, first - 0.5 + width * number, number


def _are_integers(bins: Bins) -> bool:
    """Return whether all values are known, and are integers with halves between them."""
    values = bins.lower
    return not bins.shift and bool(((np.floor(values) == values) & (abs(values) < 2.0**52)).all())


def _fences(sample: Sample) -> tuple[float, float]:
    """Return the outer fences of a sample, or its extremes where they are nearer."""
    low, first, _, third, high = sample.quantiles
    margin = _FENCE * ((third - first) or (high - low)) or math.inf
    return max(sample.low, first - margin), min(sample.high, third + margin)
