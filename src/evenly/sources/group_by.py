"""What ``by=`` may be: names of columns, parts of batches, or the keys themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from evenly.block import Keys
from evenly.sources.group_keys import joined, keys_of_array, keys_of_objects

Names = tuple[str | int, ...]


def names_of(by: Any) -> Names:
    """Return the columns that ``by=`` names; nothing when it is None, or keys.

    A text, or a list of nothing but texts, is names; a number is the place of a part of batches
    ``(x, y)``. Anything else is one key a row.

    >>> names_of("station"), names_of(["year", "month"]), names_of([2013, 2014])
    (('station',), ('year', 'month'), ())
    """
    if isinstance(by, str | int):
        return (by,)
    if isinstance(by, list | tuple) and by and all(isinstance(name, str) for name in by):
        return tuple(by)
    return ()


def are_columns(by: Any) -> bool:
    """Whether ``by=`` names columns of a table: it is no place of a part, and no keys.

    >>> are_columns("station"), are_columns(1), are_columns([2013, 2014])
    (True, False, False)
    """
    return not isinstance(by, int) and bool(names_of(by))


def has_keys(batch: Any, names: Names) -> bool:
    """Whether a batch has parts of these names, or places, beside the one that is fitted."""
    if isinstance(batch, Mapping):
        return bool(names) and all(name in batch for name in names)
    if not isinstance(batch, tuple | list):
        return False
    return bool(names) and all(type(name) is int and name < len(batch) for name in names)


def keys_beside(batch: Any, names: Names) -> Keys:
    """Return the keys of a batch that stand in parts of it."""
    return joined([_keys(batch[name]) for name in names])


def _keys(part: Any) -> Keys:
    """Return one key a row; of a sample, one key."""
    single = (
        isinstance(part, str) or not hasattr(part, "__len__") or getattr(part, "shape", 1) == ()
    )
    return keys_of_objects([part]) if single else keys_of_array(part)


def label_of(by: Any) -> str | tuple[str, ...] | None:
    """Return the names for `GroupedMoments.by`: None for keys that have no name.

    >>> label_of("station"), label_of(["year"]), label_of(1)
    ('station', ('year',), None)
    """
    if isinstance(by, str):
        return by
    names: Sequence[Any] = names_of(by)
    return tuple(names) if names and not isinstance(by, int) else None
