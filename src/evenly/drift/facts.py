"""What a comparison needs to know of each column of a data set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from evenly import exact_stats
from evenly.distribution import Bins
from evenly.group_keys import format_key
from evenly.moments import GroupedMoments, Moments
from evenly.statistics_file.column import ColumnRecord

Label = tuple[str | None, str | int]
"""The text of a group's key, None without groups, and the name of a column."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """The exact statistics of a column.

    Attributes
    ----------
    dtype
        The input dtypes, joined by ``|``.
    count, missing
        The number of values and of missing ones.
    mean, variance
        None without values. The variance is that of the data as given.
    min, max
        None without values.
    bins
        The distribution (`evenly.Moments.bins`), or None.
    quartiles
        The first and the third quartile, or None without a distribution.
    """

    dtype: str
    count: Fraction
    missing: Fraction
    mean: Fraction | None
    variance: Fraction | None
    min: float | None
    max: float | None
    bins: Bins | None = None
    quartiles: tuple[float, float] | None = None

    @property
    def rows(self) -> Fraction:
        """The number of values, missing ones included."""
        return self.count + self.missing

    @property
    def missing_share(self) -> float:
        """The share of missing values; 0 without rows."""
        return float(self.missing / self.rows) if self.rows else 0.0

    @property
    def std(self) -> float | None:
        """The standard deviation, None without values."""
        return None if self.variance is None else sqrt(self.variance)


def facts_of(moments: Moments | GroupedMoments) -> dict[Label, ColumnFacts]:
    """Return the facts of each column, or of each column of each group."""
    if isinstance(moments, Moments):
        return {(None, name): facts for name, facts in _columns(moments)}
    return {
        (format_key(key if isinstance(key, tuple) else (key,)), name): facts
        for key, group in moments.items()
        for name, facts in _columns(group)
    }


def _columns(moments: Moments) -> Iterator[tuple[str | int, ColumnFacts]]:
    names: Sequence[str | int] = moments.columns or range(moments.num_features)
    facts: Iterable[ColumnFacts] = map(_facts, moments.column_records())
    if moments.distribution:
        quartiles = moments.quantile([0.25, 0.75]).T.tolist()
        facts = (
            replace(own, bins=moments._bins(index), quartiles=(first, third))
            for index, (own, (first, third)) in enumerate(zip(facts, quartiles, strict=True))
        )
    yield from zip(names, facts, strict=True)


def _facts(record: ColumnRecord) -> ColumnFacts:
    count, missing = exact_stats.fraction(record.present), exact_stats.fraction(record.missing)
    mean = variance = None
    if count:
        mean = exact_stats.fraction(record.sum) / count
        variance = exact_stats.fraction(record.squares) / count - mean**2
    low, high = (None if value is None else float(value) for value in (record.min, record.max))
    return ColumnFacts(record.dtype, count, missing, mean, variance, low, high)


def sqrt(value: Fraction) -> float:
    """Return the float64 nearest to the square root."""
    return exact_stats.sqrt_rounded(value.numerator, value.denominator, 0)


def together(a: ColumnFacts, b: ColumnFacts) -> ColumnFacts:
    """Return the count, mean, variance and extremes of both columns together."""
    count = a.count + b.count
    sides = [side for side in (a, b) if side.mean is not None and side.variance is not None]
    mean = sum((side.count * (side.mean or 0) for side in sides), Fraction(0)) / count
    squares = sum(side.count * ((side.variance or 0) + (side.mean or 0) ** 2) for side in sides)
    lows = [side.min for side in sides if side.min is not None]
    highs = [side.max for side in sides if side.max is not None]
    missing = a.missing + b.missing
    return ColumnFacts(
        a.dtype, count, missing, mean, squares / count - mean**2, min(lows), max(highs)
    )
