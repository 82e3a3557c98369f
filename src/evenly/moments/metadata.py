"""What moments know beside their numbers: immutable, and replaced as a whole.

The core keeps it with the sums and changes both in one step. So an exception that a signal's
handler raises comes before or after an update, and finds names, dtypes and sums that agree.
"""

from collections.abc import Iterable
from typing import NamedTuple

from evenly.columns import ColumnNames


class Metadata(NamedTuple):
    """What `Moments` know.

    Attributes
    ----------
    columns
        The names of the columns; None when they have none.
    dtypes
        The dtypes that each column came in, joined by ``|``; ``""`` before the first row.
    sources
        Where the rows came from. Information only.
    """

    columns: ColumnNames
    dtypes: tuple[str, ...]
    sources: tuple[str, ...] = ()


class GroupMetadata(NamedTuple):
    """What `GroupedMoments` know.

    Attributes
    ----------
    columns, dtypes, sources
        As of `Metadata`; the columns are those of each group.
    by
        The columns whose values are the keys; None for keys that have no name.
    kinds
        The type of each part of a key; ``""`` while none is known.
    """

    columns: ColumnNames
    dtypes: tuple[str, ...]
    sources: tuple[str, ...]
    by: str | tuple[str, ...] | None
    kinds: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of columns of each group."""
        return len(self.dtypes)


def merge_dtypes(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dtypes of columns that came in both.

    >>> merge_dtypes(("float32", ""), ("float64", "int8"))
    ('float32|float64', 'int8')
    """
    if ours == theirs or not any(ours):
        return theirs
    pairs = list(zip(ours, theirs, strict=True))
    known = {pair: _merge_dtype(*pair) for pair in set(pairs)}  # of a wide array one, not thousands
    return tuple(known[pair] for pair in pairs)


def _merge_dtype(ours: str, theirs: str) -> str:
    """Return two columns' dtypes as one text, whatever the order they came in."""
    if ours == theirs or not theirs:
        return ours
    return common_dtype([ours, theirs])


def common_dtype(names: Iterable[str]) -> str:
    """Return all dtypes in some texts as one."""
    return "|".join(sorted({dtype for name in names for dtype in name.split("|")} - {""}))
