"""Compare two data sets, column by column."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evenly import _core
from evenly.drift.as_json import comparison_to_dict
from evenly.drift.baseline import Baseline, measure_baseline, merge_earlier
from evenly.drift.column import MEASURES, ColumnDrift, attention_key, compare_column, over_limits
from evenly.drift.facts import ColumnFacts, Label, facts_of, group_text
from evenly.drift.page import comparison_page
from evenly.drift.text import comparison_table
from evenly.errors import ColumnError, DataError, UnsupportedTypeError
from evenly.moments import GroupedMoments, Moments, load
from evenly.moments.table_repr import TableRepr
from evenly.moments.text_table import TextTable
from evenly.typing import Path

AnyMoments = Moments | GroupedMoments


@dataclass(frozen=True, repr=False)
class Comparison(TableRepr):
    """The result of `evenly.compare`: the columns, sorted by how much they differ.

    Attributes
    ----------
    columns
        One `evenly.drift.ColumnDrift` for each column of each group, the largest difference first.
    limit, confidence
        As passed to `evenly.compare`.
    rows
        The number of rows before and after.
    earlier
        The number of data sets of the baseline; 0 if two data sets are compared.
    """

    columns: tuple[ColumnDrift, ...]
    limit: float
    confidence: float
    rows: tuple[int, int]
    earlier: int

    @property
    def over(self) -> tuple[ColumnDrift, ...]:
        """The columns that are over the limit."""
        return tuple(column for column in self.columns if column.over)

    def to_dict(self) -> dict[str, object]:
        """Return all numbers as JSON-compatible values, as ``evenly diff --json`` prints them."""
        return comparison_to_dict(self)

    def to_html(self, sources: Sequence[str] = ()) -> str:
        """Return the comparison as a web page, as ``evenly diff --report`` writes it.

        The page is self-contained: it loads no other file. With distributions it shows the
        histograms of both data sets.

        Parameters
        ----------
        sources
            The names of the data sets that the page shows, in order.
        """
        return comparison_page(self, sources)

    def _table_view(self) -> TextTable:
        return comparison_table(self)

    def __getitem__(self, name: str | int | tuple[str, str | int]) -> ColumnDrift:
        """Return the column with this name; with groups, ``comparison[key, name]``."""
        group, own = name if isinstance(name, tuple) else (None, name)
        for column in self.columns:
            if (column.group, column.name) == (group, own):
                return column
        raise ColumnError(
            f"The name must be that of a compared column. Received: {name!r}. With groups, pass "
            "the text of the key and the name: comparison['JFK', 'temp']."
        )


def compare(
    before: AnyMoments | Path | Sequence[AnyMoments | Path],
    after: AnyMoments | Path,
    *,
    limit: float = 0.1,
    confidence: float = 0.99,
) -> Comparison:
    """Compare two data sets by their statistics: which columns changed, and by how much?

    A column is over the limit when the bound of a confidence interval that is *nearest to "the
    same"* is. So two halves of one data set are not, at any size, and a difference that matters is
    found once there are enough rows to be sure of it. The measures are

    - the shift of the mean, in standard deviations of the first data set (Welch's interval);
    - the factor by which the standard deviation grew or shrank, less 1 (Fieller's interval);
    - the difference of the shares of missing values (Newcombe's interval);
    - if both were fitted with ``distribution=True``, the Kolmogorov-Smirnov distance and the
      Wasserstein distance in standard deviations (the inequality of Dvoretzky, Kiefer, Wolfowitz
      and Massart).

    Parameters
    ----------
    before
        Moments or the path of a statistics file. Or several, such as one for each day: how much
        they differ from each other is the baseline. The limit of each measure is then raised to
        the mean plus three standard deviations of the distances of each day from all other days.
    after
        Moments or the path of a statistics file.
    limit
        How large a difference matters: 0.1 is a tenth of a standard deviation, 10 % more or less
        spread, or 10 percentage points of missing values.
    confidence
        The probability that all intervals contain the true values, for all columns and measures
        together (Bonferroni). The rows are assumed to be independent.

    Returns
    -------
    Comparison
        The measures of each column with their intervals, sorted by how much the columns differ.

    Raises
    ------
    DataError
        For an invalid limit or confidence, for too few data sets for a baseline, or if only one
        of them has groups.
    ColumnError
        If the columns of several data sets in ``before`` differ, or the columns of their groups.
    UnsupportedTypeError
        For anything but moments and paths.
    SourceError, StatisticsFileError
        When a statistics file cannot be read, as in `evenly.load`.

    Notes
    -----
    A column or group that only one data set has, and a time column in another unit, is over any
    limit. A change between numeric dtypes is only shown. The distance from a column
    that was constant is infinite, and over the limit only if its interval excludes equality.

    Examples
    --------
    >>> import evenly
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> train = evenly.fit(rng.normal(size=(10_000, 2)))
    >>> serve = evenly.fit(rng.normal([0, 0.5], size=(10_000, 2)))
    >>> comparison = evenly.compare(train, serve)
    >>> [(column.name, column.over) for column in comparison.over]
    [(1, ('mean',))]
    """
    check_options(limit, confidence)
    days, serve = _several(before), _as_moments(after)
    for day in days or ():
        _check_alike(day, serve)
    with _core.ExactMode():
        if days is None:
            train, baseline = _as_moments(before), None
            _check_alike(train, serve)
        else:
            train = merge_earlier(days)  # type: ignore[arg-type]
            baseline = measure_baseline(days, train)  # type: ignore[arg-type]
        columns = _compare_columns(facts_of(train), facts_of(serve), limit, confidence, baseline)
    rows = train.rows, serve.rows
    return Comparison(columns, limit, confidence, rows, len(days or ()))


def _compare_columns(
    a: dict[Label, ColumnFacts],
    b: dict[Label, ColumnFacts],
    limit: float,
    confidence: float,
    baseline: Baseline | None,
) -> tuple[ColumnDrift, ...]:
    labels = list({**a, **b})
    has_shapes = any(side.bins is not None for side in (*a.values(), *b.values()))
    measures = len(MEASURES) - (not has_shapes)
    error = (1 - confidence) / max(1, len(labels) * measures)
    columns = []
    for label in labels:
        column = compare_column(label[1], group_text(label), a.get(label), b.get(label), error)
        limits = dict.fromkeys(MEASURES, limit)
        ranks: tuple[tuple[str, int], ...] = ()
        if baseline is not None:
            limits, ranks = baseline.limits(label, limit), baseline.ranks(label, column)
        over = over_limits(column, limits)
        columns.append(replace(column, over=over, limits=tuple(limits.items()), ranks=ranks))
    return tuple(sorted(columns, key=attention_key, reverse=True))


def _several(before: object) -> list[AnyMoments] | None:
    """Return several data sets as a list, and None for a single one."""
    if isinstance(before, Moments | GroupedMoments | str | os.PathLike):
        return None
    if isinstance(before, Sequence):
        return [_as_moments(part) for part in before]
    raise _type_error(before)


def _as_moments(part: object) -> AnyMoments:
    """Return moments unchanged; load those of a path."""
    if isinstance(part, str | os.PathLike):
        part = load(part)
    if isinstance(part, Moments | GroupedMoments):
        return part
    raise _type_error(part)


def _type_error(received: object) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "compare takes moments and paths of statistics files. "
        f"Received: {type(received).__name__}. Pass evenly.fit(...) of data, "
        "and of statistics by key the moments of one key, a[key]."
    )


def _check_alike(a: AnyMoments, b: AnyMoments) -> None:
    """Check that both or neither have groups, of the same columns if these are known."""
    if type(a) is not type(b):
        raise DataError(
            "Either both data sets must have groups, or neither. Received: "
            f"{type(a).__name__} and {type(b).__name__}. Fit both by the same columns, or pass "
            "grouped.total()."
        )
    if isinstance(a, GroupedMoments) and isinstance(b, GroupedMoments):
        names_a, names_b = (x if isinstance(x, tuple) else (x,) for x in (a.by, b.by))
        if names_a != names_b and None not in (*names_a, *names_b):
            raise ColumnError(
                "Both data sets must have the groups of the same columns, in the same order. "
                f"Received: by={a.by!r} and by={b.by!r}. Fit both with the same by=, or pass "
                "grouped.total()."
            )


def check_options(limit: float, confidence: float) -> None:
    """Check the options of `compare`.

    Raises
    ------
    DataError
        When they are invalid.
    """
    if not (isinstance(limit, int | float) and 0 <= limit < math.inf):
        raise DataError(
            f"limit must be a number, 0 or more. Received: {limit!r}. Pass 0.1 for a tenth of a "
            "standard deviation."
        )
    if not (isinstance(confidence, int | float) and 0 < confidence < 1):
        raise DataError(
            f"confidence must be between 0 and 1. Received: {confidence!r}. Pass 0.99 for 99 %."
        )
