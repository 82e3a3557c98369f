"""The comparison of one column: its measures, and whether they are over the limit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evenly.columns import TIME_KINDS
from evenly.drift.facts import ColumnFacts
from evenly.drift.intervals import Interval, mean_shift, missing_difference, std_ratio
from evenly.drift.shape import Shape, shape_distance

Change = Literal["", "appeared", "vanished", "incomparable"]
MEASURES = ("mean", "std", "missing", "distribution")
"""The measures that are compared with the limit. The last needs distributions."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How a column differs between two data sets.

    Attributes
    ----------
    name
        The name of the column, or its number.
    group
        The key of its group as text; None without groups.
    change
        ``"appeared"`` or ``"vanished"`` if only one data set has the column (or the group), or
        rows in it.
        ``"incomparable"`` if it is a time in different units, or on one side only. Otherwise
        empty.
    before, after
        The exact statistics of both data sets; None for a column that one does not have.
    shift
        The shift of the mean in standard deviations of the first.
    std_ratio
        The standard deviation of the second over that of the first.
    missing
        The difference of the shares of missing values.
    shape
        The distances of the distributions; None without distributions.
    over
        The measures that are over their limit: ``"mean"``, ``"std"``, ``"missing"``,
        ``"distribution"``; or the change of the column.
    limits
        The limit of each measure.
    ranks
        With several earlier data sets: for each measure, how many of them are at least as far
        from the others.
    """

    name: str | int
    group: str | None
    change: Change
    before: ColumnFacts | None
    after: ColumnFacts | None
    shift: Interval | None = None
    std_ratio: Interval | None = None
    missing: Interval | None = None
    shape: Shape | None = None
    over: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    ranks: tuple[tuple[str, int], ...] = ()

    @property
    def dtype_changed(self) -> bool:
        """Whether the input dtypes are known and differ."""
        before, after = self.before, self.after
        if before is None or after is None or not (before.dtype and after.dtype):
            return False
        return before.dtype != after.dtype

    @property
    def label(self) -> str:
        """The name of the column, after that of its group."""
        return str(self.name) if self.group is None else f"{self.group}: {self.name}"


class Distance(NamedTuple):
    """The distance of a measure from that of equal data: an estimate, and its lower bound."""

    value: float
    nearest: float


def compare_column(
    name: str | int, group: str | None, a: ColumnFacts | None, b: ColumnFacts | None, error: float
) -> ColumnDrift:
    """Return the measures of a column, without a limit.

    Parameters
    ----------
    error
        The probability that one interval does not contain the true value.
    """
    if a is None or b is None:
        return ColumnDrift(name, group, "appeared" if a is None else "vanished", a, b)
    if bool(a.rows) != bool(b.rows):
        return ColumnDrift(name, group, "vanished" if a.rows else "appeared", a, b)
    if not _comparable(a.dtype, b.dtype):
        return ColumnDrift(name, group, "incomparable", a, b)
    return ColumnDrift(
        name,
        group,
        "",
        a,
        b,
        mean_shift(a, b, error),
        std_ratio(a, b, error),
        missing_difference(a, b, error),
        shape_distance(a, b, error),
    )


def _comparable(a: str, b: str) -> bool:
    """Return whether numbers of two dtypes have the same unit."""
    return a == b or not (a and b) or not (a.startswith(TIME_KINDS) or b.startswith(TIME_KINDS))


def distances(column: ColumnDrift) -> dict[str, Distance]:
    """Return the distance of each measure from that of equal data; 0 if they are equal.

    The mean is measured in standard deviations, the standard deviation as the factor by which it
    grew or shrank, less 1, and missing values as a share. The distribution is the larger of the
    Kolmogorov-Smirnov and the Wasserstein distance.
    """
    found = {
        "mean": _from_zero(column.shift),
        "std": _from_one(column.std_ratio),
        "missing": _from_zero(column.missing),
        "distribution": _of_shape(column.shape),
    }
    return {name: distance for name, distance in found.items() if distance is not None}


def _from_zero(interval: Interval | None) -> Distance | None:
    if interval is None:
        return None
    return Distance(abs(interval.value), max(interval.low, -interval.high, 0.0))


def _from_one(interval: Interval | None) -> Distance | None:
    if interval is None:
        return None
    nearest = 1.0 if interval.low <= 1 <= interval.high else interval.low
    nearest = interval.high if interval.high < 1 else nearest
    return Distance(_factor(interval.value) - 1, _factor(nearest) - 1)


def _factor(ratio: float) -> float:
    return ratio if ratio >= 1 else 1 / ratio if ratio else math.inf


def _of_shape(shape: Shape | None) -> Distance | None:
    if shape is None:
        return None
    pairs = shape.ks, shape.wasserstein
    return Distance(max(pair.value for pair in pairs), max(pair.low for pair in pairs))


def over_limits(column: ColumnDrift, limits: Mapping[str, float]) -> tuple[str, ...]:
    """Return the measures whose nearest bound is over the limit, or the change of the column."""
    if column.change:
        return (column.change,)
    found = distances(column)
    return tuple(name for name, distance in found.items() if distance.nearest > limits[name])


def attention_key(column: ColumnDrift) -> tuple[bool, bool, float, float]:
    """Return the key by which columns are sorted, the largest first."""
    found = distances(column).values()
    nearest = max((distance.nearest for distance in found), default=0.0)
    value = max((distance.value for distance in found), default=0.0)
    return bool(column.change), bool(column.over), nearest, value
