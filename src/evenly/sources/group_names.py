"""The ``by=`` argument: names of columns, or positions of parts of batches."""

from collections.abc import Mapping, Sequence
from typing import Any

from evenly.group_keys import By

GroupBy = tuple[str | int, ...]


def parse_by(by: object) -> GroupBy:
    """Return the names or positions in ``by=``; an empty tuple if it is None or an array of keys.

    A string, or a list of strings, has names; an integer is the position of a part of batches
    ``(x, y)``. Anything else is one key per row.

    >>> parse_by("station"), parse_by(["year", "month"]), parse_by([2013, 2014])
    (('station',), ('year', 'month'), ())
    """
    if isinstance(by, str | int):
        return (by,)
    if isinstance(by, list | tuple) and by and all(isinstance(name, str) for name in by):
        return tuple(by)
    return ()


def is_column_names(by: object) -> bool:
    """Return whether ``by=`` has names of columns of a table.

    >>> is_column_names("station"), is_column_names(1), is_column_names([2013, 2014])
    (True, False, False)
    """
    return not isinstance(by, int) and bool(parse_by(by))


def batch_has_keys(batch: object, names: GroupBy) -> bool:
    """Return whether a batch has parts with these names or positions."""
    if isinstance(batch, Mapping):
        return bool(names) and all(name in batch for name in names)
    if not isinstance(batch, tuple | list):
        return False
    return bool(names) and all(type(name) is int and name < len(batch) for name in names)


def group_label(by: object) -> By:
    """Return the names for `GroupedMoments.by`; None for keys without a name.

    >>> group_label("station"), group_label(["year"]), group_label(1)
    ('station', ('year',), None)
    """
    if isinstance(by, str):
        return by
    names: Sequence[Any] = parse_by(by)
    return tuple(names) if names and not isinstance(by, int) else None
