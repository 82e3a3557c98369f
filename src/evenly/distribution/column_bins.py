"""The bins of many columns in one array, in which the ranks of all columns are found together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evenly import _core
from evenly.distribution.bins import Bins, Counts, Keys

_COLUMNS_AT_ONCE = 4096
_MOST_VALUES = 2**62
"""Counts of more values than this could overflow when those of several columns are added."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnBins:
    """The bins of several columns, one column after the other.

    Attributes
    ----------
    shifts
        The shift of each column; see `Bins`.
    sizes
        The number of bins of each column.
    keys, counts
        Those of the bins of all columns.
    """

    shifts: Keys
    sizes: Counts
    keys: Keys
    counts: Counts

    @classmethod
    def of(cls, bins: Bins) -> "ColumnBins":
        """Return the bins of a single column."""
        shift, size = np.array([bins.shift], np.uint64), np.array([len(bins.keys)])
        return cls(shift, size, bins.keys, bins.counts)


def column_bins(state: _core.State) -> Iterator[tuple[int, ColumnBins]]:
    """Yield the bins of some columns at a time, with the first of these columns."""
    for start in range(0, state.columns, _COLUMNS_AT_ONCE):
        yield from _split(state, start, min(start + _COLUMNS_AT_ONCE, state.columns))


def _split(state: _core.State, start: int, end: int) -> Iterator[tuple[int, ColumnBins]]:
    shifts, sizes, keys, counts = state.histograms(start, end)
    if end - start > 1 and counts.sum(dtype=np.float64) > _MOST_VALUES:
        middle = (start + end) // 2
        yield from _split(state, start, middle)
        yield from _split(state, middle, end)
    else:
        yield start, ColumnBins(shifts.astype(np.uint64), sizes, keys, counts)
