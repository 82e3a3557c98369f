"""The bins of many columns in one array, in which the ranks of all columns are found together."""

from collections.abc import Iterator, Sequence
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
    def of(cls, columns: Sequence[Bins]) -> "ColumnBins":
        """Return the bins of at least one column; see `batches` for the most of them."""
        return cls(
            np.array([bins.shift for bins in columns], np.uint64),
            np.array([len(bins.keys) for bins in columns], np.int64),
            np.concatenate([bins.keys for bins in columns]),
            np.concatenate([bins.counts for bins in columns]),
        )


def batches(columns: Sequence[Bins]) -> Iterator[slice]:
    """Yield the positions of all columns, as many at a time as `ColumnBins` can hold."""
    start = total = 0
    for index, bins in enumerate(columns):
        total += bins.total
        is_full = total > _MOST_VALUES or index - start >= _COLUMNS_AT_ONCE
        if is_full and index > start:
            yield slice(start, index)
            start, total = index, bins.total
    if len(columns) > start:
        yield slice(start, len(columns))


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
