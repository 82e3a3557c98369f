"""Moments from files, and many as one: plain ones and groups."""

import os
from collections.abc import Iterable
from typing import Any, overload

from evenly import statistics_file
from evenly.errors import DataError, StatisticsFileError
from evenly.moments.grouped import GroupedMoments
from evenly.moments.grouped_records import believed as believed_groups
from evenly.moments.moments import Moments, believed
from evenly.statistics_file import groups


def load(path: str | os.PathLike[str]) -> Any:
    """Return what a statistics file holds: `Moments`, or `GroupedMoments` if it has groups.

    Raises
    ------
    SourceError
        When the file is missing or cannot be read.
    StatisticsFileError
        When it is no statistics file, or no data at all can have such statistics.
    """
    content = statistics_file.content_of(path)
    try:
        return from_bytes(content)
    except StatisticsFileError as error:
        raise StatisticsFileError(f"{os.fspath(path)}: {error}") from None


def from_bytes(content: bytes) -> Moments | GroupedMoments:
    """Return what the bytes of a statistics file hold; `load` without the file."""
    document = statistics_file.document_of(content)
    del content
    if not groups.has_groups(document):
        return believed(*statistics_file.read(document))
    result = GroupedMoments.empty()
    believed_groups(result, *groups.read(document))
    return result


@overload
def merge(moments: Iterable[Moments]) -> Moments: ...
@overload
def merge(moments: Iterable[GroupedMoments]) -> GroupedMoments: ...
def merge(moments: Iterable[Any]) -> Any:
    """Return the sum of many moments, in one pass and one copy; or of many groups of moments.

    The same bits as adding them with ``+`` in any order, and faster.

    Raises
    ------
    ColumnError
        When the columns of one differ from those before it.
    DataError
        When some have groups, and others none.
    """
    total: Any = None
    for part in moments:
        total = type(part).empty() if total is None else total
        if not isinstance(part, type(total)):
            raise DataError(
                "Moments with groups can be added to such only. Received: "
                f"{type(total).__name__} and {type(part).__name__}. Take grouped.total(), the "
                "moments of all groups together."
            )
        total._absorb(part)
    return Moments.empty() if total is None else total
