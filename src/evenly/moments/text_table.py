"""The short table of a `repr` of moments, as text and as HTML for notebooks."""

import html
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from evenly import exact_stats
from evenly.exact_stats import Dyadic
from evenly.printable import printable
from evenly.statistics_file.column import ColumnRecord

HEADINGS = ("column", "count", "missing", "mean", "std", "min", "max")
HEAD, TAIL = 12, 4
"""Columns shown at the start and at the end when there are more than both."""
_MAX_WIDTH = 40
BOUNDS = "min and max are bounds: rows were subtracted"

Row: TypeAlias = tuple[str, ...]


def visible_columns(num_features: int) -> list[int]:
    """Return the indices of the columns to show, in order."""
    if num_features <= HEAD + TAIL:
        return list(range(num_features))
    return [*range(HEAD), *range(num_features - TAIL, num_features)]


class TableView(NamedTuple):
    """A short table with its title and remark.

    Attributes
    ----------
    title, remark
        The lines above and below the table.
    rows
        The rows shown.
    left_out
        The number of rows that are not shown.
    head
        The number of rows before those that are not shown.
    headings
        `HEADINGS`, optionally preceded by headings of other names.
    """

    title: str
    rows: Sequence[Row]
    left_out: int
    remark: str
    head: int = HEAD
    headings: Row = HEADINGS


def text(table: TableView) -> str:
    """Return a table as text: names aligned left, numbers aligned right."""
    title, rows, left_out, remark, head, headings = table
    cells: list[Row] = [headings, *rows]
    if left_out:
        cells.insert(1 + head, (f"({left_out:,} more)", *[""] * (len(headings) - 1)))
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    num_names = len(headings) - len(HEADINGS) + 1
    lines = [
        "  ".join(
            [
                *map(str.ljust, row[:num_names], widths[:num_names]),
                *map(str.rjust, row[num_names:], widths[num_names:]),
            ]
        ).rstrip()
        for row in cells
    ]
    return "\n".join([title, *(lines if rows else ()), *([remark] if remark else ())])


def to_html(view: TableView) -> str:
    """Return a table as HTML, for notebooks."""
    title, rows, left_out, remark, head, headings = view
    body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    if left_out:
        body.insert(head, f'<td colspan="{len(headings)}">({left_out:,} more)</td>')
    top = "".join(f"<th>{heading}</th>" for heading in headings)
    table = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<div><p>{html.escape(title)}</p><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{table}</tbody></table><p>{html.escape(remark)}</p></div>"
    )


def row(column: ColumnRecord) -> Row:
    """Return the cells of the row of a column."""
    name = printable(column.name or "")
    name = name if len(name) <= _MAX_WIDTH else name[: _MAX_WIDTH - 1] + "…"
    sums = column.present, column.sum, column.squares
    return (
        name,
        _count(column.present),
        _count(column.missing),
        _number(exact_stats.mean(column.present, column.sum)),
        _number(exact_stats.std(*sums, Fraction(0))),
        _number(column.min),
        _number(column.max),
    )


def _count(value: Dyadic) -> str:
    is_integer = exact_stats.fits_int64(value)
    return f"{value[0] << value[1]:,}" if is_integer else _number(exact_stats.to_float(value))


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else number(value)


def number(value: float) -> str:
    """Format a number with six digits, and with all digits before the decimal point.

    >>> [number(x) for x in (0.0, 2013.0, 1356998400.25, 12.639070257, 1e-9, 1e300)]
    ['0', '2013', '1356998400', '12.6391', '1e-09', '1e+300']
    """
    if not value or not 1e-4 <= abs(value) < 1e15:
        return f"{value + 0.0:.6g}"
    decimals = max(0, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text
