"""The baseline of a comparison: how much earlier data sets differ from each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from evenly.drift.column import MEASURES, ColumnDrift, compare_column, distances
from evenly.drift.facts import Label, facts_of
from evenly.errors import DataError
from evenly.moments import GroupedMoments, Moments, merge

SPREADS = 3
"""The limit is the mean of the distances plus this many standard deviations of them."""
MIN_DATA_SETS = 3
"""Minimum number of data sets: a standard deviation of fewer distances is not meaningful."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The distances of each data set from all others, by column and measure."""

    distances: dict[Label, dict[str, list[float]]]

    def limits(self, label: Label, limit: float) -> dict[str, float]:
        """Return the limit of each measure of a column: at least `limit`."""
        known = self.distances.get(label, {})
        return {name: max(limit, _typical(known.get(name, ()))) for name in MEASURES}

    def ranks(self, label: Label, column: ColumnDrift) -> tuple[tuple[str, int], ...]:
        """Return how many data sets are at least as far from the others, by measure."""
        known = self.distances.get(label, {})
        return tuple(
            (name, sum(other >= distance.value for other in known.get(name, ())))
            for name, distance in distances(column).items()
        )


def _typical(values: Sequence[float]) -> float:
    """Return the mean plus three standard deviations."""
    if len(values) < MIN_DATA_SETS:
        return 0.0
    if not all(map(math.isfinite, values)):
        return math.inf
    return mean(values) + SPREADS * stdev(values)


def merge_earlier(days: Sequence[Moments] | Sequence[GroupedMoments]) -> Moments | GroupedMoments:
    """Return all data sets together.

    Raises
    ------
    DataError
        When there are too few for a baseline.
    ColumnError
        When their columns differ.
    """
    if len(days) < MIN_DATA_SETS:
        raise DataError(
            f"A baseline needs at least {MIN_DATA_SETS} data sets before the one that is compared "
            f"with them. Received: {len(days)}. Add more days; or merge them, to compare two data "
            "sets."
        )
    return merge(days)


def measure_baseline(
    days: Sequence[Moments] | Sequence[GroupedMoments], total: Moments | GroupedMoments
) -> Baseline:
    """Compute the distances of each data set from all others together.

    The others are the total minus the data set, which is exact.
    """
    found: dict[Label, dict[str, list[float]]] = {}
    for day in days:
        others = facts_of(total - day)  # type: ignore[operator]
        for label, facts in facts_of(day).items():
            if not facts.count:
                continue
            column = compare_column(label[1], None, others.get(label), facts, 0.5)
            for measure, distance in distances(column).items():
                found.setdefault(label, {}).setdefault(measure, []).append(distance.value)
    return Baseline(found)
