"""Between groups in a state and their portable form: a record for each group."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evenly import _core
from evenly.errors import DataError, StatisticsFileError
from evenly.group_keys import Key, merge_key_types
from evenly.key_index import KeyIndex
from evenly.moments.metadata import GroupMetadata, common_dtype
from evenly.moments.records import records, state_from_records
from evenly.statistics_file import Header
from evenly.statistics_file.groups import GroupRecord

if TYPE_CHECKING:
    from evenly.moments.group_accumulator import By, GroupAccumulator

_CHUNK_COLUMNS = 65_536
"""Columns turned into Python integers at a time."""


def group_records(groups: "GroupAccumulator", keys: Sequence[Key]) -> Iterator[GroupRecord]:
    """Yield what is known of each group, in the order of these keys."""
    metadata = groups._metadata
    width = metadata.width
    step = max(1, _CHUNK_COLUMNS // max(1, width))
    for start in range(0, len(keys), step):
        piece = keys[start : start + step]
        state = groups._reindexed(piece)
        names = None if metadata.columns is None else metadata.columns * len(piece)
        columns = records(state, names, metadata.dtypes * len(piece))
        for key, rows in zip(piece, state.group_rows, strict=True):
            yield GroupRecord(key, rows, [next(columns) for _ in range(width)])


def from_records(
    header: Header, by: "By", found: list[GroupRecord]
) -> tuple[GroupMetadata, KeyIndex, _core.State]:
    """Return what `GroupedMoments` are made of, from the groups of a file that were checked.

    Raises
    ------
    StatisticsFileError
        When a number is out of the core's reach, or keys of a column are of several kinds.
    """
    columns = [column for group in found for column in group.columns]
    first = found[0].columns if found else []
    names = None if not first or first[0].name is None else tuple(str(c.name) for c in first)
    dtypes = tuple(
        common_dtype({group.columns[i].dtype for group in found}) for i in range(len(first))
    )
    keys = [group.key for group in found]
    try:
        parts = len(by) if isinstance(by, tuple) else 1
        kinds = merge_key_types(("",) * parts, keys, by, "the file")
        state = state_from_records(
            columns, groups=len(found), extremes_are_bounds=header.extremes_are_bounds
        )
    except (DataError, ValueError, OverflowError) as error:
        raise StatisticsFileError(str(error)) from None
    state.group_rows = [group.rows for group in found]
    metadata = GroupMetadata(names, dtypes, header.sources, by, kinds)
    return metadata, KeyIndex.of(keys), state
