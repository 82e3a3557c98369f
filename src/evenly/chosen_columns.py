"""Columns that are chosen by their names or positions."""

import operator
from collections.abc import Iterable
from contextlib import suppress

from evenly.errors import ColumnError


def as_names(columns: object) -> tuple[str | int, ...]:
    """Return names and positions as a tuple; a single one is treated as a list of one.

    Integers are labels of pandas, or positions in arrays; numbers and dates that pandas has as
    labels, and tuples of several levels, are names.

    Raises
    ------
    ColumnError
        For other values, such as masks of booleans, whose True would be position 1.

    >>> as_names("height"), as_names([2]), as_names([("close", "AAA")])
    (('height',), (2,), ("('close', 'AAA')",))
    """
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        columns = (columns,)
    return tuple(_as_name(name) for name in columns)


def _as_name(name: object) -> str | int:
    if isinstance(name, str):
        return name
    if isinstance(name, tuple | float) or hasattr(name, "isoformat"):
        return str(name)
    if "bool" not in str(getattr(name, "dtype", type(name))):
        with suppress(TypeError):  # raised for what is no integer
            return operator.index(name)  # type: ignore[arg-type]
    raise ColumnError(
        "Columns are chosen by names and positions, one or a list of them. Received: "
        f"{name!r:.80} of type {type(name).__name__}. For a mask, pass the positions or names "
        "where it is true; for a slice, pass a range."
    )
