"""The summary of a column for the HTML page: statistics, quantiles and a histogram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evenly.html_report.numbers import between

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
"""The quantiles that are marked in a histogram."""
TAILS = (0.001, 0.999)
"""The quantiles that show how heavy the tails are."""


class Bars(NamedTuple):
    """Counts of values between equally distant edges.

    Attributes
    ----------
    low, high
        The first and the last edge.
    counts
        The number of values in each bin.
    outside
        The share of values that are not between the edges.
    """

    low: float
    high: float
    counts: Sequence[float]
    outside: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of a column.

    Attributes
    ----------
    quantiles
        Those of `QUANTILES`, in order.
    bounds
        The interval that certainly contains each of them.
    tails
        Those of `TAILS`.
    histogram
        None without values.
    values
        The distinct values and their counts if all are known, in ascending order; else None.
    """

    quantiles: Sequence[float]
    bounds: Sequence[tuple[float, float]]
    tails: Sequence[float]
    histogram: Bars | None
    values: Sequence[tuple[float, int]] | None

    def quantile_texts(self, dtype: str) -> list[str]:
        """Return the quantiles as text."""
        pairs = zip(self.quantiles, self.bounds, strict=True)
        return [between(value, low, high, dtype) for value, (low, high) in pairs]


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """The statistics of a column.

    Attributes
    ----------
    name
        The name of the column, or its number.
    group
        The key of its group as text; None without groups.
    dtype
        The input dtypes, joined by ``|``.
    count, missing
        The number of values and of missing ones.
    mean, std, min, max
        NaN without values.
    constant, nearly_constant
        Whether all values are equal, or differ in their last digits only.
    duplicate_of
        The name of an earlier column with the same statistics; empty if there is none.
    distribution
        None if it was not fitted.
    """

    name: str
    group: str | None
    dtype: str
    count: float
    missing: float
    mean: float
    std: float
    min: float
    max: float
    constant: bool
    nearly_constant: bool
    duplicate_of: str = ""
    distribution: Distribution | None = None

    @property
    def missing_share(self) -> float:
        """The share of missing values; 0 without rows."""
        rows = self.count + self.missing
        return self.missing / rows if rows else 0.0

    @property
    def is_integer(self) -> bool:
        """Whether all input dtypes are integers."""
        return is_integer(self.dtype)


def is_integer(dtype: str) -> bool:
    """Return whether all of several dtypes joined by ``|`` are integers.

    >>> is_integer("int64|uint8"), is_integer("float32")
    (True, False)
    """
    return all(name.startswith(("int", "uint")) for name in dtype.split("|"))
