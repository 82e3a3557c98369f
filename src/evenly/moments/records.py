"""Between the core's state and its portable form: one record a column."""

from collections.abc import Iterator, Sequence

from evenly import _core
from evenly.columns import ColumnNames
from evenly.statistics_file.column import ColumnRecord

_CHUNK_COLUMNS = 65_536
"""Columns turned into Python integers at a time, so that a million need little memory."""


def records(
    state: _core.State, names: ColumnNames, dtypes: tuple[str, ...]
) -> Iterator[ColumnRecord]:
    """Yield what a state knows of each column, exactly."""
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
            yield ColumnRecord(name, dtypes[index], count, missing, total, squares, low, high)


def state_from_records(
    columns: Sequence[ColumnRecord], *, extremes_are_bounds: bool, groups: int = 1
) -> _core.State:
    """Return the state that the records describe, the columns of some groups.

    Raises
    ------
    ValueError
        When a number is out of the core's reach.
    """
    state = _core.State(len(columns), groups)
    for index, column in enumerate(columns):
        state.set_column(index, *column[2:])
    state.extremes_are_bounds = extremes_are_bounds
    return state
