"""Find numbers that may mean something else: codes such as 00501, and 1.000 for a thousand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from evenly import extras

if TYPE_CHECKING:
    import pyarrow as pa


_LEADING_ZERO = r"^\s*-?0[0-9]"
_THOUSANDS = r"^\s*[+-]?[0-9]{1,3}(\.[0-9]{3})\s*$"
"""Numbers whose point may be between thousands."""


class NumberColumn(NamedTuple):
    """A column of numbers.

    Attributes
    ----------
    name
        The name of the column.
    text
        Its fields as text; null for missing ones.
    """

    name: str
    text: "pa.ChunkedArray"


def leading_zeros(columns: Mapping[int, NumberColumn]) -> dict[int, str]:
    """Return a sentence for each column of integers with leading zeros, which may be codes."""
    found = {}
    for index, (name, text) in columns.items():
        if example := _first_match(text, _LEADING_ZERO):
            found[index] = (
                f"column {name!r} has leading zeros, such as {example!r}, and is read as numbers. "
                f"If it has codes, pass exclude=[{name!r}]."
            )
    return found


def points_of_thousands(columns: Mapping[int, NumberColumn]) -> dict[int, str]:
    """Return a sentence for columns of decimals, all of which have three digits after the point.

    One number that is written in another way shows that the point is a decimal point.
    """
    compute = extras.require("pyarrow.compute", extra="files", feature="Reading CSV")
    for _, text in columns.values():
        if not compute.all(compute.match_substring_regex(text, _THOUSANDS)).as_py():
            return {}
    return {
        index: (
            f"numbers such as {_first_match(text, _THOUSANDS)!r} in column {name!r} are read with "
            "a decimal point. If it is between thousands, pass "
            "csv={'decimal': ',', 'thousands': '.'}."
        )
        for index, (name, text) in columns.items()
    }


def _first_match(text: "pa.ChunkedArray", pattern: str) -> str:
    """Return the first field that matches a pattern; empty if none does."""
    compute = extras.require("pyarrow.compute", extra="files", feature="Reading CSV")
    position = compute.index(compute.match_substring_regex(text, pattern), True).as_py()
    return str(text[position].as_py()).strip() if position >= 0 else ""
