"""The columns of a table: their names, and the kinds of values that they hold."""

from functools import lru_cache
from typing import NamedTuple

from evenly.columns import TIME_KINDS

NUMBER, NULL = "number", "null"
NO_VALUES = "no values"
"""The reason why a column is left out in which no row has a value."""

_DESCRIPTIVE = ("index", "coordinate", "bounds", "partition")
"""Kinds of numeric columns that describe rows, and are fitted only if they are named."""


class Field(NamedTuple):
    """A column of a table; a tuple, since a wide frame has thousands of them.

    Attributes
    ----------
    name
        The name of the column.
    kind
        ``"number"``; ``"null"`` if no value has been seen yet; or the reason why it is not
        fitted by default: ``"text"``, ``"index"``, ``"timestamp[us]"``.
    """

    name: str
    kind: str

    @property
    def reason(self) -> str:
        """The kind without its unit."""
        return reason_of(self.kind)

    @property
    def is_numeric(self) -> bool:
        """Whether the column is fitted by default."""
        return self.kind in (NUMBER, NULL)

    @property
    def is_selectable(self) -> bool:
        """Whether the column can be fitted if it is named: times are integers in their unit."""
        return is_selectable(self.kind)


@lru_cache(maxsize=1024)
def reason_of(kind: str) -> str:
    """Return a kind without its unit.

    >>> reason_of("timestamp[us]")
    'timestamp'
    """
    return kind.partition("[")[0]


@lru_cache(maxsize=1024)
def is_selectable(kind: str) -> bool:
    """Return whether a column of this kind can be fitted; see `Field`."""
    is_named = reason_of(kind) in (*TIME_KINDS, *_DESCRIPTIVE)
    return kind in (NUMBER, NULL) or (is_named and kind != "partition[string]")
