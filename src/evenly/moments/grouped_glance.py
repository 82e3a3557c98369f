"""Groups at a glance: a row for each group and column, shortened."""

from typing import TYPE_CHECKING

from evenly.group_keys import Key, format_key
from evenly.moments import text_table
from evenly.moments.text_table import Row, TableView
from evenly.printable import printable

if TYPE_CHECKING:
    from evenly.moments.grouped import GroupedMoments

HEADINGS = ("group", *text_table.HEADINGS)
HEAD, TAIL = 20, 4
"""Lines shown of the start and of the end, when there are more than both."""


def text(moments: "GroupedMoments", head: int = HEAD, tail: int = TAIL) -> str:
    """Return the table as text."""
    return text_table.text(_table_view(moments, head, tail))


def to_html(moments: "GroupedMoments") -> str:
    """Return the table as HTML, for notebooks."""
    return text_table.to_html(_table_view(moments, HEAD, TAIL))


def _table_view(moments: "GroupedMoments", head: int, tail: int) -> TableView:
    rows, left_out = lines(moments, head, tail)
    remark = text_table.BOUNDS if moments.extremes_are_bounds else ""
    return TableView(title(moments), rows, left_out, remark, head, HEADINGS)


def title(moments: "GroupedMoments") -> str:
    """Return a line that says how much there is."""
    numbers = (len(moments), "group"), (moments.rows, "row"), (moments.num_features, "column")
    said = ", ".join(f"{number:,} {noun}{'s' * (number != 1)}" for number, noun in numbers)
    by = moments.by
    if by is None:
        return said
    return printable(f"{said}, by {by if isinstance(by, str) else ', '.join(by)}")


def lines(moments: "GroupedMoments", head: int, tail: int) -> tuple[list[Row], int]:
    """Return the rows to show, and how many are passed over after the first ones."""
    keys, width = moments._sorted_keys(), moments.num_features
    total = len(keys) * width
    if total <= head + tail:
        return [row for key in keys for row in _of(moments, key)], 0
    first = [row for key in keys[: 1 + head // width] for row in _of(moments, key)]
    last = [row for key in keys[-1 - tail // width :] for row in _of(moments, key)]
    return first[:head] + last[-tail:], total - head - tail


def _of(moments: "GroupedMoments", key: Key) -> list[Row]:
    """Return a row for each column of a group."""
    from evenly.moments.records import records

    own = moments[key if isinstance(moments.by, tuple) else key[0]]
    names = own.columns or tuple(map(str, range(own.num_features)))
    found = records(own._state, names, own.dtypes)
    return [(format_key(key), *text_table.row(record)) for record in found]
