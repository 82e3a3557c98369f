"""The summary of each column for the HTML page."""

from evenly.html_report.summary import ColumnSummary, Distribution
from evenly.moments.distribution import DistributionMixin
from evenly.moments.histograms import distribution_of
from evenly.moments.nearly_constant import nearly_constant
from evenly.statistics_file.column import ColumnRecord


def summaries(moments: DistributionMixin, group: str | None = None) -> list[ColumnSummary]:
    """Return the summary of each column.

    Parameters
    ----------
    group
        The key of the group of these moments as text.
    """
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
        _distributions(moments),
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


def _distributions(moments: DistributionMixin) -> list[Distribution | None]:
    """Return the distribution of each column; None for all if there are none."""
    if not moments.distribution:
        return [None] * moments.num_features
    exact = not moments.extremes_are_bounds
    ends = zip(moments.min.tolist(), moments.max.tolist(), strict=True)
    return [
        distribution_of(moments._bins(index), low, high, exact_ends=exact)
        for index, (low, high) in enumerate(ends)
    ]
