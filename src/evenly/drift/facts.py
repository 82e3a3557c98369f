"""The exact statistics of the columns of a data set, for comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from evenly import exact_stats
from evenly.distribution import Bins
from evenly.group_keys import join_key, key_texts
from evenly.moments import GroupedMoments, Moments
from evenly.moments.histograms import summarize_bins
from evenly.statistics_file.column import ColumnRecord

Label = tuple[tuple[str | None, ...] | None, str | int]
"""The parts of a group's key as text, None without groups, and the name of a column."""


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
        None without values. The variance is the biased one.
    min, max
        None without values.
    bins
        The distribution (`evenly.Moments.bins`), or None.
    """

    dtype: str
    count: Fraction
    missing: Fraction
    mean: Fraction | None
    variance: Fraction | None
    min: float | None
    max: float | None
    bins: Bins | None = None

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

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """The first and the third quartile, None without a distribution or without values."""
        if self.bins is None or self.min is None or self.max is None:
            return None
        _, first, _, third, _ = summarize_bins(self.bins, self.min, self.max).quantiles
        return first, third


def facts_of(moments: Moments | GroupedMoments) -> dict[Label, ColumnFacts]:
    """Return the facts of each column, or of each column of each group."""
    if isinstance(moments, Moments):
        return {(None, name): facts for name, facts in _columns(moments)}
    return {
        (key_texts(key if isinstance(key, tuple) else (key,)), name): facts
        for key, group in moments.items()
        for name, facts in _columns(group)
    }


def group_text(label: Label) -> str | None:
    """Return the key of a group as text; None without groups."""
    key, _ = label
    return None if key is None else join_key(key)


def _columns(moments: Moments) -> Iterator[tuple[str | int, ColumnFacts]]:
    names: Sequence[str | int] = moments.columns or range(moments.num_features)
    for name, record in zip(names, moments.column_records(), strict=True):
        yield name, _facts(record)


def _facts(record: ColumnRecord) -> ColumnFacts:
    count, missing = exact_stats.fraction(record.present), exact_stats.fraction(record.missing)
    mean = variance = None
    if count:
        mean = exact_stats.fraction(record.sum) / count
        variance = exact_stats.fraction(record.squares) / count - mean**2
    low, high = (None if value is None else float(value) for value in (record.min, record.max))
    return ColumnFacts(record.dtype, count, missing, mean, variance, low, high, record.bins)


def to_float(value: Fraction) -> float:
    """Return the float64 nearest to a fraction; an infinity if it is out of range."""
    return exact_stats.divide_rounded(value.numerator, value.denominator)


def sqrt(value: Fraction) -> float:
    """Return the float64 nearest to the square root."""
    return exact_stats.sqrt_rounded(value.numerator, value.denominator, 0)


def pool(a: ColumnFacts, b: ColumnFacts) -> ColumnFacts:
    """Return the count, mean, variance and extremes of the values of both columns."""
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
