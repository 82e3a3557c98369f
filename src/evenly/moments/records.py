"""Convert between the state of the core and records per column or per group."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evenly import _core
from evenly.columns import ColumnNames
from evenly.distribution import Bins
from evenly.errors import DataError, StatisticsFileError
from evenly.group_keys import By, Key, merge_key_types
from evenly.key_index import KeyIndex
from evenly.moments.metadata import GroupMetadata, common_dtype
from evenly.statistics_file.column import ColumnRecord

if TYPE_CHECKING:  # only needed for files of groups, which most programs do not write
    from evenly.statistics_file import Header
    from evenly.statistics_file.groups import GroupRecord


_CHUNK_COLUMNS = 65_536
"""Columns converted to Python integers at a time, which bounds the memory for wide tables."""


def records(
    state: _core.State, names: ColumnNames, dtypes: tuple[str, ...]
) -> Iterator[ColumnRecord]:
    """Yield the exact statistics of each column of a state."""
    for start in range(0, state.columns, _CHUNK_COLUMNS):
        stop = min(start + _CHUNK_COLUMNS, state.columns)
        piece = state.take(list(range(start, stop)))
        for index, count, missing, total, squares, (low, high) in zip(
            range(start, stop),
            piece.counts(),
            piece.missings(),
            piece.sums(),
            piece.squares(),
            piece.extremes(),
            strict=True,
        ):
            name = None if names is None else names[index]
            sums = count, missing, total, squares
            bins = bins_of(piece, index - start) if state.bins else None
            yield ColumnRecord(name, dtypes[index], *sums, low, high, bins)


def bins_of(state: _core.State, index: int) -> Bins:
    """Return the bins of a column; empty if it has no rows."""
    found = state.histogram(index)
    if found is None:
        return Bins(0, np.empty(0, np.uint64), np.empty(0, np.int64))
    shift, keys, counts = found
    # The core returns int64 as `long long`, which NumPy prints with its name.
    keys, counts = keys.astype(np.uint64), counts.astype(np.int64)
    for array in (keys, counts):  # they are cached
        array.flags.writeable = False
    return Bins(shift, keys, counts)


def state_from_records(
    columns: Sequence[ColumnRecord],
    *,
    extremes_are_bounds: bool,
    groups: int = 1,
    bins: int = 0,
) -> _core.State:
    """Return the state with the statistics in the records, for the columns of some groups.

    Parameters
    ----------
    bins
        The maximum number of bins of the distributions; 0 without distributions.

    Raises
    ------
    ValueError
        When a number is out of range.
    """
    state = _core.State(len(columns), groups, bins)
    for index, column in enumerate(columns):
        state.set_column(index, *column[2:8])
        if bins and column.bins is not None:
            parts = column.bins
            state.set_histogram(index, parts.shift, parts.keys, parts.counts)
    state.extremes_are_bounds = extremes_are_bounds
    return state


def group_records(
    metadata: GroupMetadata,
    keys: Sequence[Key],
    state_of: Callable[[Sequence[Key]], _core.State],
) -> "Iterator[GroupRecord]":
    """Yield the record of each group, in the order of the keys.

    Parameters
    ----------
    state_of
        Returns the state of some groups, in the order of their keys.
    """
    from evenly.statistics_file.groups import GroupRecord

    width = metadata.width
    step = max(1, _CHUNK_COLUMNS // max(1, width))
    for start in range(0, len(keys), step):
        piece = keys[start : start + step]
        state = state_of(piece)
        names = None if metadata.columns is None else metadata.columns * len(piece)
        columns = records(state, names, metadata.dtypes * len(piece))
        for key, rows in zip(piece, state.group_rows, strict=True):
            yield GroupRecord(key, rows, [next(columns) for _ in range(width)])


def groups_from_records(
    header: "Header", by: By, groups: "list[GroupRecord]"
) -> tuple[GroupMetadata, KeyIndex, _core.State]:
    """Return the metadata, index and state of the groups of a statistics file.

    Raises
    ------
    StatisticsFileError
        When a number is out of range, or the keys of a column have several types.
    """
    columns = [column for group in groups for column in group.columns]
    first = groups[0].columns if groups else []
    names = None if not first or first[0].name is None else tuple(str(c.name) for c in first)
    dtypes = tuple(
        common_dtype({group.columns[i].dtype for group in groups}) for i in range(len(first))
    )
    keys = [group.key for group in groups]
    try:
        parts = len(by) if isinstance(by, tuple) else 1
        key_types = merge_key_types(("",) * parts, keys, by, "the file")
        state = state_from_records(
            columns,
            groups=len(groups),
            extremes_are_bounds=header.extremes_are_bounds,
            bins=header.bins,
        )
    except (DataError, ValueError, OverflowError) as error:
        raise StatisticsFileError(str(error)) from None
    state.group_rows = [group.rows for group in groups]
    metadata = GroupMetadata(names, dtypes, header.sources, by, key_types)
    return metadata, KeyIndex.of(keys), state
