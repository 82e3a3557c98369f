"""Check that the bins of columns can be those of their other statistics, many columns at a time."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from evenly import exact_stats
from evenly.distribution.bins import Floats, lower_ends, ordered_bits, upper_ends
from evenly.distribution.column_bins import ColumnBins
from evenly.statistics_file.column import ColumnRecord
from evenly.statistics_file.distribution import distribution_error

_COLUMNS_AT_ONCE = 4096
_TOLERANCE = 1e-9
_SMALLEST, _EXACT_INTEGERS = 2.0**-400, 2.0**53
"""Sums are compared with bins within this range. Below it squares may underflow; above it, integers
are counted by the nearest float64."""

Flags = npt.NDArray[np.bool_]


def check_bins(columns: Sequence[ColumnRecord], label: Callable[[int], str]) -> None:
    """Check that the bins of columns can be those of values with their sums and extremes.

    Parameters
    ----------
    label
        Returns the text for a column in messages, given its index in ``columns``.

    Raises
    ------
    StatisticsFileError
        When they cannot.
    """
    filled = [i for i, column in enumerate(columns) if column.bins and len(column.bins.keys)]
    for start in range(0, len(filled), _COLUMNS_AT_ONCE):
        indices = filled[start : start + _COLUMNS_AT_ONCE]
        statistics = _Statistics([columns[i] for i in indices])
        for is_wrong, rule in (
            (statistics.are_outside(), "must have no bin below min or above max"),
            (~statistics.are_possible(), "must have bins that can have the sums of the column"),
        ):
            if is_wrong.any():
                raise distribution_error(label(indices[int(is_wrong.argmax())]), rule)


class _Statistics:
    """The statistics of columns that have values, as arrays."""

    def __init__(self, columns: Sequence[ColumnRecord]) -> None:
        self._low = np.array([column.min for column in columns], np.float64)
        self._high = np.array([column.max for column in columns], np.float64)
        self._sum = np.array([exact_stats.to_float(column.sum) for column in columns])
        self._squares = np.array([exact_stats.to_float(column.squares) for column in columns])
        self._bins = ColumnBins.of([column.bins for column in columns if column.bins])
        self._stops = np.cumsum(self._bins.sizes)
        self._starts = self._stops - self._bins.sizes

    def are_outside(self) -> Flags:
        """Return whether a bin of each column is below its minimum or above its maximum."""
        keys, shifts = self._bins.keys, self._bins.shifts
        below: Flags = keys[self._starts] < ordered_bits(self._low) >> shifts
        above: Flags = keys[self._stops - 1] > ordered_bits(self._high) >> shifts
        return below | above

    def are_possible(self) -> Flags:
        """Return whether values in the bins of each column can have its sums, up to rounding."""
        column = np.repeat(np.arange(len(self._starts)), self._bins.sizes)
        keys, shifts = self._bins.keys, self._bins.shifts[column]
        lower = np.maximum(lower_ends(keys, shifts), self._low[column])
        upper = np.minimum(upper_ends(keys, shifts), self._high[column])
        outer = np.maximum(abs(lower), abs(upper))
        inner = np.where((lower < 0) & (upper > 0), 0.0, np.minimum(abs(lower), abs(upper)))
        is_tiny = np.logical_or.reduceat((outer > 0) & (outer < _SMALLEST), self._starts)
        is_large = np.maximum(abs(self._low), abs(self._high)) > _EXACT_INTEGERS
        with np.errstate(over="ignore", invalid="ignore"):  # of columns that are large
            slack = _TOLERANCE * self._total(outer)
            agree = (
                (self._total(lower) - slack <= self._sum)
                & (self._sum <= self._total(upper) + slack)
                & (self._total(inner**2) * (1 - _TOLERANCE) <= self._squares)
                & (self._squares <= self._total(outer**2) * (1 + _TOLERANCE))
            )
        return agree | is_tiny | is_large

    def _total(self, values: Floats) -> Floats:
        """Return the sum of a value of each bin, over all values of each column."""
        return np.add.reduceat(self._bins.counts * values, self._starts)
