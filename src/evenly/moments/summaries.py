"""The summary of each column for the HTML page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.html_report.histogram import BINS
from evenly.html_report.summary import QUANTILES, TAILS, ColumnSummary, Distribution, Histogram
from evenly.moments.nearly_constant import nearly_constant
from evenly.moments.statistics import StatisticsMixin
from evenly.statistics_file.column import ColumnRecord

_FENCE = 3.0
"""Tukey's outer fence: values further from the quartiles than so many interquartile ranges are
far out. They would squeeze a histogram into a line."""


def summaries(moments: StatisticsMixin, group: str | None = None) -> list[ColumnSummary]:
    """Return the summary of each column.

    Parameters
    ----------
    group
        The key of the group of these moments as text.
    """
    names = moments.columns or tuple(map(str, range(len(moments.dtypes))))
    twins = _Twins()
    facts = zip(
        names,
        moments.column_records(),
        moments.count.tolist(),
        moments.missing.tolist(),
        moments.mean.tolist(),
        moments.std().tolist(),
        moments.min.tolist(),
        moments.max.tolist(),
        moments.constant.tolist(),
        nearly_constant(moments),
        _distributions(moments, names),
        strict=True,
    )
    return [
        ColumnSummary(
            name=name,
            group=group,
            dtype=record.dtype,
            count=count,
            missing=missing,
            mean=mean,
            std=std,
            min=low,
            max=high,
            constant=constant,
            nearly_constant=near,
            twin=twins.of(name, record),
            distribution=shape,
        )
        for name, record, count, missing, mean, std, low, high, constant, near, shape in facts
    ]


class _Twins:
    """Finds columns with the same exact statistics."""

    def __init__(self) -> None:
        self._first: dict[tuple[object, ...], str] = {}

    def of(self, name: str, record: ColumnRecord) -> str:
        """Return the first column with the same statistics, or an empty text."""
        first = self._first.setdefault(record[2:], name)
        return "" if first == name else first


def _distributions(moments: Any, names: tuple[str, ...]) -> list[Distribution | None]:
    """Return the distribution of each column; None for all if there are none."""
    if not getattr(moments, "distribution", 0):
        return [None] * len(names)
    quantiles = moments.quantile(np.array([*QUANTILES, *TAILS])).T.tolist()
    bounds = np.stack(moments.quantile_bounds(np.array(QUANTILES)), axis=-1)
    keys: Sequence[str | int] = names if moments.columns is not None else range(len(names))
    lows, highs, counts = moments.min.tolist(), moments.max.tolist(), moments.count.tolist()
    found: list[Distribution | None] = []
    ends = bounds.swapaxes(0, 1).tolist()
    for key, known, within, *facts in zip(keys, quantiles, ends, lows, highs, counts, strict=True):
        marks, tails = known[: len(QUANTILES)], known[len(QUANTILES) :]
        distinct = moments.distinct(key)
        values = None if distinct is None else _pairs(*distinct)
        histogram = _histogram(moments, key, marks, values, *facts)
        found.append(Distribution(marks, within, tails, histogram, values))
    return found


def _pairs(
    values: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> list[tuple[float, int]]:
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _histogram(
    moments: Any,
    key: str | int,
    quantiles: list[float],
    values: list[tuple[float, int]] | None,
    low: float,
    high: float,
    count: float,
) -> Histogram | None:
    """Return the histogram of a column over the range that most of its values have."""
    if not count or not np.isfinite(high - low):
        return None
    low, high, bins = _range(low, high, quantiles, values)
    counts = moments.histogram(bins, column=key, range=(low, high)).counts.tolist()
    outside = max(0.0, 1 - sum(counts) / count)
    return Histogram(low, high, counts, outside if outside > 1e-9 else 0.0)


def _range(
    low: float, high: float, quantiles: list[float], values: list[tuple[float, int]] | None
) -> tuple[float, float, int]:
    """Return the range to show, and the number of bins.

    A few integers have a bin each. Values beyond the outer fences are not shown.
    """
    if low == high:
        half = abs(low) * 1e-3 or 0.5
        return low - half, high + half, 3
    if values and high - low < BINS and all(float(value).is_integer() for value, _ in values):
        return low - 0.5, high + 0.5, int(high - low) + 1
    first, third = quantiles[1], quantiles[3]
    if third == first:
        first, third = quantiles[0], quantiles[-1]
    margin = _FENCE * (third - first)
    if margin > 0:
        low, high = max(low, first - margin), min(high, third + margin)
    return low, high, BINS
