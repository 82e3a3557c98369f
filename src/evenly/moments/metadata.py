"""The metadata of moments, which is immutable and replaced as a whole.

The core stores it with the sums and changes both in one step. So an exception raised by a signal
handler comes before or after an update, when names, dtypes and sums agree.
"""

from collections.abc import Iterable
from typing import NamedTuple

from evenly.columns import ColumnNames
from evenly.group_keys import By

LeftOut = tuple[tuple[str, str], ...]


class Metadata(NamedTuple):
    """The metadata of `Moments`.

    Attributes
    ----------
    columns
        The names of the columns; None for columns without names.
    dtypes
        The input dtypes of each column, joined by ``|``; ``""`` before the first row.
    sources
        The sources of the rows. Information only.
    left_out
        The columns of the sources that are not fitted, each with the reason. Information only.
    """

    columns: ColumnNames
    dtypes: tuple[str, ...]
    sources: tuple[str, ...] = ()
    left_out: LeftOut = ()


class GroupMetadata(NamedTuple):
    """The metadata of `GroupedMoments`.

    Attributes
    ----------
    columns, dtypes, sources, left_out
        As in `Metadata`; the columns are those of each group.
    by
        The key columns; None for unnamed keys.
    key_types
        The type of each part of a key; ``""`` while it is unknown.
    """

    columns: ColumnNames
    dtypes: tuple[str, ...]
    sources: tuple[str, ...]
    by: By
    key_types: tuple[str, ...]
    left_out: LeftOut = ()

    @property
    def width(self) -> int:
        """The number of columns of each group."""
        return len(self.dtypes)


def merge_information(ours: Metadata, theirs: Metadata) -> Metadata:
    """Merge the sources and the columns left out of moments with the same columns and dtypes."""
    if not theirs.sources and ours.left_out == theirs.left_out:
        return ours
    return Metadata(
        ours.columns,
        ours.dtypes,
        ours.sources + theirs.sources,
        merge_left_out(ours.left_out, theirs.left_out, ours.columns),
    )


def merge_left_out(ours: LeftOut, theirs: LeftOut, columns: ColumnNames) -> LeftOut:
    """Merge the columns that are not fitted, except those that are fitted in one of the parts.

    >>> merge_left_out((("a", "text"),), (("a", "text"), ("b", "text")), ("b",))
    (('a', 'text'),)
    """
    if ours == theirs:
        return ours
    fitted = set(columns or ())
    merged = dict(theirs) | dict(ours)
    return tuple((name, reason) for name, reason in merged.items() if name not in fitted)


def merge_dtypes(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Merge the dtypes of the columns of two moments.

    >>> merge_dtypes(("float32", ""), ("float64", "int8"))
    ('float32|float64', 'int8')
    """
    if ours == theirs or not any(ours):
        return theirs
    pairs = list(zip(ours, theirs, strict=True))
    merged = {pair: _merge_dtype(*pair) for pair in set(pairs)}  # few, even for a wide array
    return tuple(merged[pair] for pair in pairs)


def _merge_dtype(ours: str, theirs: str) -> str:
    """Merge the dtypes of two columns into one text, independent of their order."""
    if ours == theirs or not theirs:
        return ours
    return common_dtype([ours, theirs])


def common_dtype(names: Iterable[str]) -> str:
    """Join the distinct dtypes of several columns, sorted."""
    return "|".join(sorted({dtype for name in names for dtype in name.split("|")} - {""}))
