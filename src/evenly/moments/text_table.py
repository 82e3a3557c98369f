"""Tables as text and as HTML; the cells of the row of a column."""

import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from evenly import exact_stats
from evenly.exact_stats import Dyadic
from evenly.html_report.numbers import decimal_text
from evenly.printable import printable
from evenly.statistics_file.column import ColumnRecord
from evenly.time_text import duration_text, is_time, point_text

HEADINGS = ("column", "count", "missing", "mean", "std", "min", "max")
ALIGNMENT = "lrrrrrr"
HEAD, TAIL = 12, 4
"""Columns shown at the start and at the end when there are more than both."""
_MAX_WIDTH = 40
BOUNDS = "min and max are bounds: rows were subtracted"

Row: TypeAlias = tuple[str, ...]


def visible_columns(num_features: int, head: int = HEAD, tail: int = TAIL) -> list[int]:
    """Return the indices of the columns to show, in order."""
    if num_features <= head + tail:
        return list(range(num_features))
    return [*range(head), *range(num_features - tail, num_features)]


def footer_lines(left_out: Mapping[str, str], extremes_are_bounds: bool) -> list[str]:
    """Return the lines below the table of moments."""
    lines = [BOUNDS] if extremes_are_bounds else []
    return [*lines, left_out_line(left_out)] if left_out else lines


def omitted_line(rows: int) -> str:
    """Return the line that stands for rows that are not shown; empty if all are shown."""
    return f"({rows:,} more)" if rows else ""


class TextTable(NamedTuple):
    """A table with lines above and below it, shown as text or as HTML.

    Attributes
    ----------
    title, footer
        The line above the table, and those below it.
    headings, rows
        The cells. All rows have one cell per heading.
    alignment
        One letter per column: ``l`` left, ``r`` right, ``d`` decimal points below each other.
    omitted
        The line that stands for rows that are not shown; empty if all are shown.
    head
        The number of rows before the omitted ones.
    """

    title: str
    headings: Row
    rows: Sequence[Row]
    alignment: str
    omitted: str = ""
    head: int = HEAD
    footer: Sequence[str] = ()


def to_text(table: TextTable) -> str:
    """Return a table as text, without a trailing line break."""
    if not table.rows:
        return "\n".join([table.title, *table.footer])
    columns = zip(table.headings, *table.rows, strict=True)
    aligned = map(_align, columns, table.alignment)
    lines = ["  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)]
    if table.omitted:
        lines.insert(1 + table.head, table.omitted)
    return "\n".join([table.title, *lines, *table.footer])


def to_html(table: TextTable) -> str:
    """Return a table as HTML, for notebooks."""
    import html  # a list of 2,231 character references, which most programs do not need

    body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in table.rows]
    if table.omitted:
        omitted = html.escape(table.omitted)
        body.insert(table.head, f'<td colspan="{len(table.headings)}">{omitted}</td>')
    top = "".join(f"<th>{heading}</th>" for heading in table.headings)
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<div><p>{html.escape(table.title)}</p><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{lines}</tbody></table><p>{html.escape('; '.join(table.footer))}</p></div>"
    )


def _align(cells: Row, alignment: str) -> list[str]:
    """Pad the heading and the cells of a column to one width."""
    padded = [cells[0], *_align_decimal(cells[1:])] if alignment == "d" else list(cells)
    width = max(map(_width, padded))
    spaces = [" " * (width - _width(cell)) for cell in padded]
    if alignment == "l":
        return [cell + space for cell, space in zip(padded, spaces, strict=True)]
    return [space + cell for cell, space in zip(padded, spaces, strict=True)]


def _align_decimal(cells: Row) -> list[str]:
    """Pad numbers on the right so that right-aligned decimal points line up.

    Numbers with an exponent are not padded, so that they end in the last column.
    """
    fractions = [0 if "e" in cell else len(cell) - len(cell.partition(".")[0]) for cell in cells]
    width = max(fractions, default=0)
    return [
        cell if "e" in cell else cell + " " * (width - fraction)
        for cell, fraction in zip(cells, fractions, strict=True)
    ]


def _width(text: str) -> int:
    """Return the width of text in terminal cells: wide letters take two, accents none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    zero_width = sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)
    return len(text) + wide - zero_width


def format_name(name: str) -> str:
    """Return a printable name, shortened if it is long."""
    name = printable(name)
    return name if len(name) <= _MAX_WIDTH else name[: _MAX_WIDTH - 1] + "…"


def left_out_line(columns: Mapping[str, str]) -> str:
    """Return a line that names the columns that were left out, grouped by reason.

    >>> left_out_line({"carrier": "text", "time_hour": "timestamp", "origin": "text"})
    'left out: carrier, origin (text); time_hour (timestamp)'
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in columns.items():
        reasons.setdefault(reason, []).append(format_name(name))
    groups = [f"{_format_names(names)} ({printable(reason)})" for reason, names in reasons.items()]
    return f"left out: {'; '.join(groups)}"


def _format_names(names: list[str]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more


def format_row(column: ColumnRecord) -> Row:
    """Return the cells of the row of a column."""
    sums = column.present, column.sum, column.squares
    return (
        format_name(column.name or ""),
        _format_count(column.present),
        _format_count(column.missing),
        format_value(exact_stats.mean(column.present, column.sum), column.dtype),
        format_spread(exact_stats.std(*sums, Fraction(0)), column.dtype),
        format_value(column.min, column.dtype),
        format_value(column.max, column.dtype),
    )


def format_value(value: float | None, dtype: str) -> str:
    """Format a mean or an extreme: a number, or the date and time that it stands for.

    >>> format_value(1.0, "float64"), format_value(0.0, "date[day]"), format_value(None, "int8")
    ('1', '1970-01-01', '-')
    """
    if value is not None and is_time(dtype):
        return point_text(value, dtype) or _format_optional(value)
    return _format_optional(value)


def format_spread(value: float | None, dtype: str) -> str:
    """Format a standard deviation: a number, or a duration for times."""
    if value is not None and value == value and is_time(dtype):
        return duration_text(value, dtype) or _format_optional(value)
    return _format_optional(value)


def _format_count(value: Dyadic) -> str:
    if exact_stats.fits_int64(value):
        return f"{value[0] << value[1]:,}"
    return _format_optional(exact_stats.to_float(value))


def _format_optional(value: float | None) -> str:
    return "-" if value is None or value != value else format_number(value)


def format_number(value: float) -> str:
    """Format a number with six digits, and with all digits before the decimal point."""
    return decimal_text(value, 6)
