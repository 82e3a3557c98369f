"""Groups at a glance: a row for each group and column, shortened."""

import html
from typing import TYPE_CHECKING

from evenly.keys import Key, shown
from evenly.moments import glance
from evenly.moments.glance import Row

if TYPE_CHECKING:
    from evenly.moments.grouped import GroupedMoments

HEADINGS = ("group", *glance.HEADINGS)
HEAD, TAIL = 20, 4
"""Lines shown of the start and of the end, when there are more than both."""


def text(moments: "GroupedMoments", head: int = HEAD, tail: int = TAIL) -> str:
    """Return the table as text: groups and names to the left, numbers to the right."""
    rows, left_out = lines(moments, head, tail)
    cells: list[Row] = [HEADINGS, *rows]
    if left_out:
        cells.insert(1 + head, (f"({left_out:,} more)", *[""] * (len(HEADINGS) - 1)))
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADINGS))]
    table = [
        "  ".join(
            [*map(str.ljust, row[:2], widths[:2]), *map(str.rjust, row[2:], widths[2:])]
        ).rstrip()
        for row in cells
    ]
    return "\n".join([title(moments), *(table if rows else ()), *foot(moments)])


def page(moments: "GroupedMoments") -> str:
    """Return the table as HTML, for notebooks."""
    rows, left_out = lines(moments, HEAD, TAIL)
    body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    if left_out:
        body.insert(HEAD, f'<td colspan="{len(HEADINGS)}">({left_out:,} more)</td>')
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    table = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<div><p>{html.escape(title(moments))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{table}</tbody></table><p>{html.escape(''.join(foot(moments)))}</p></div>"
    )


def title(moments: "GroupedMoments") -> str:
    """Return a line that says how much there is."""
    numbers = (len(moments), "group"), (moments.rows, "row"), (moments.num_features, "column")
    said = ", ".join(f"{number:,} {noun}{'s' * (number != 1)}" for number, noun in numbers)
    by = moments.by
    return said if by is None else f"{said}, by {by if isinstance(by, str) else ', '.join(by)}"


def foot(moments: "GroupedMoments") -> list[str]:
    """Return what is to be said below the table."""
    bounds = "min and max are bounds: rows were subtracted"
    return [bounds] if moments.extremes_are_bounds else []


def lines(moments: "GroupedMoments", head: int, tail: int) -> tuple[list[Row], int]:
    """Return the rows to show, and how many are passed over after the first ones."""
    keys, width = moments._sorted(), moments.num_features
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
    return [(shown(key), *glance.row(record)) for record in found]
