"""The summary of each column for the HTML page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from evenly.html_report.summary import ColumnSummary, Distribution
from evenly.moments.distribution import DistributionMixin
from evenly.moments.histograms import distributions
from evenly.moments.nearly_constant import nearly_constant
from evenly.statistics_file.column import ColumnRecord


def summaries(parts: Iterable[tuple[str | None, DistributionMixin]]) -> list[ColumnSummary]:
    """Return the summary of each column of each group.

    Parameters
    ----------
    parts
        The key of each group as text, and its moments. The key is None without groups.
    """
    known = list(parts)
    shapes = _distributions([moments for _, moments in known])
    return [column for group, moments in known for column in _summarize(moments, group, shapes)]


def _summarize(
    moments: DistributionMixin, group: str | None, shapes: Iterator[Distribution | None]
) -> list[ColumnSummary]:
    """Return the summary of each column, with the next distributions."""
    names = moments.columns or tuple(map(str, range(moments.num_features)))
    duplicates = _Duplicates()
    statistics = zip(
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
        islice(shapes, moments.num_features),
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
            duplicate_of=duplicates.of(name, record),
            distribution=shape,
        )
        for name, record, count, missing, mean, std, low, high, constant, near, shape in statistics
    ]


class _Duplicates:
    """Finds columns with the same exact statistics."""

    def __init__(self) -> None:
        self._first: dict[tuple[object, ...], str] = {}

    def of(self, name: str, record: ColumnRecord) -> str:
        """Return the first column with the same statistics, or an empty text."""
        first = self._first.setdefault(record[2:], name)
        return "" if first == name else first


def _distributions(parts: Sequence[DistributionMixin]) -> Iterator[Distribution | None]:
    """Yield the distribution of each column; None for all if there are none.

    The quantiles of all columns are computed together: one by one they would take most of the time.
    """
    for (has_bins, are_bounds), some in groupby(parts, _kind_of_distribution):
        group = list(some)
        if not has_bins:
            yield from [None] * sum(moments.num_features for moments in group)
            continue
        bins = [moments._bins(index) for moments in group for index in range(moments.num_features)]
        ends = [
            pair
            for moments in group
            for pair in zip(moments.min.tolist(), moments.max.tolist(), strict=True)
        ]
        yield from distributions(bins, ends, exact_ends=not are_bounds)


def _kind_of_distribution(moments: DistributionMixin) -> tuple[bool, bool]:
    return bool(moments.distribution), moments.extremes_are_bounds
