"""Between groups in a state and their portable form: a record for each group."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evenly.errors import DataError, StatisticsFileError
from evenly.keys import Key
from evenly.moments.records import records, state_of
from evenly.statistics_file import Header
from evenly.statistics_file.groups import GroupRecord

if TYPE_CHECKING:
    from evenly.moments.grouping import By, Grouping

_PIECE = 65_536
"""Columns turned into Python integers at a time."""


def group_records(groups: "Grouping", keys: Sequence[Key]) -> Iterator[GroupRecord]:
    """Yield what is known of each group, in the order of these keys."""
    width = groups._width
    step = max(1, _PIECE // max(1, width))
    for start in range(0, len(keys), step):
        piece = keys[start : start + step]
        places = [groups._places[key] for key in piece]
        state = groups._state.take(groups._columns_of(places))
        names = None if groups._columns is None else groups._columns * len(piece)
        columns = records(state, names, groups._dtypes * len(piece))
        for key, place in zip(piece, places, strict=True):
            own = [next(columns) for _ in range(width)]
            yield GroupRecord(key, int(groups._rows[place]), own)


def believed(groups: "Grouping", header: Header, by: "By", found: list[GroupRecord]) -> None:
    """Put the groups of a file, which have been checked, into moments of no groups.

    Raises
    ------
    StatisticsFileError
        When a number is out of the core's reach, or keys of a column are of several kinds.
    """
    columns = [column for group in found for column in group.columns]
    first = found[0].columns if found else []
    names = None if not first or first[0].name is None else tuple(str(c.name) for c in first)
    groups.__init__(by, names, len(first))  # type: ignore[misc]
    try:
        groups._places_of([group.key for group in found], "the file")
        groups._state = state_of(columns, extremes_are_bounds=header.extremes_are_bounds)
    except (DataError, ValueError, OverflowError) as error:
        raise StatisticsFileError(str(error)) from None
    groups._rows = np.array([group.rows for group in found], np.int64)
    dtypes = [{group.columns[i].dtype for group in found} for i in range(len(first))]
    groups._dtypes = tuple("|".join(sorted({*"|".join(d).split("|")} - {""})) for d in dtypes)
    groups._sources = list(header.sources)
