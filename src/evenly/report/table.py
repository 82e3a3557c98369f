"""Moments as a text table: one line per column, numbers aligned at the decimal point."""

import unicodedata
from collections.abc import Mapping

from evenly.moments import GroupedMoments, Moments
from evenly.moments.text_table import BOUNDS, number, text
from evenly.printable import printable
from evenly.report.torchvision import normalize_lines

HEADINGS = ("column", "count", "missing", "mean", "std", "min", "max", "remarks")
HEAD, TAIL = 50, 10
"""Columns shown at the start and at the end of a longer table."""
_MAX_WIDTH = 40


def table(moments: Moments) -> str:
    """Return the table of moments as text, without a trailing line break.

    Numbers have six significant digits, or all digits before the decimal point if there are
    more; the exact values are in the statistics file. A long table shows the first and the last
    columns, and the number of columns between them.

    >>> import numpy as np
    >>> moments = Moments.empty(["year", "delay"])
    >>> print(table(moments.update(np.array([[2013, 2.5], [2013, np.nan]]))))
    2 rows, 2 columns
    column  count  missing    mean  std     min     max  remarks
    year        2        0  2013      0  2013    2013    constant
    delay       1        1     2.5    0     2.5     2.5  one value
    """
    indices = _visible_columns(moments.num_features)
    names = moments.columns or range(moments.num_features)
    labels = [names[index] for index in indices]
    visible = moments if len(indices) == moments.num_features else moments.select(labels)
    lines = _table_lines(visible, list(map(str, labels)))
    if hidden := moments.num_features - len(indices):
        lines.insert(1 + HEAD, f"… {hidden:,} more columns …")
    return "\n".join([_title(moments), *lines, *_footer(moments)])


def group_table(moments: GroupedMoments) -> str:
    """Return the table of grouped moments as text: one line per group and column."""
    return text(moments._table_view(HEAD, TAIL))


def format_skipped(columns: Mapping[str, str]) -> str:
    """Return a line that names the columns that were left out, grouped by reason.

    >>> format_skipped({"carrier": "text", "time_hour": "timestamp", "origin": "text"})
    'left out: carrier, origin (text); time_hour (timestamp)'
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in columns.items():
        reasons.setdefault(reason, []).append(_label(name))
    groups = [f"{_shorten(names)} ({printable(reason)})" for reason, names in reasons.items()]
    return f"left out: {'; '.join(groups)}"


def remarks(moments: Moments) -> list[str]:
    """Return a remark on each column, which is empty for most.

    >>> import numpy as np
    >>> remarks(Moments.empty(2).update(np.array([[np.nan, 1.0], [np.nan, 2.0]])))
    ['all missing', '']
    """
    facts = zip(moments.count, moments.missing, moments.constant, strict=True)
    return [_remark(*fact) for fact in facts]


def _remark(count: float, missing: float, constant: bool) -> str:
    if not count:
        return "all missing" if missing else "no rows"
    return "one value" if count == 1 else "constant" if constant else ""


def _visible_columns(columns: int) -> list[int]:
    if columns <= HEAD + TAIL:
        return list(range(columns))
    return [*range(HEAD), *range(columns - TAIL, columns)]


def _title(moments: Moments) -> str:
    rows, columns = moments.rows, moments.num_features
    return f"{rows:,} row{'s' * (rows != 1)}, {columns:,} column{'s' * (columns != 1)}"


def _footer(moments: Moments) -> list[str]:
    bounds = [BOUNDS] if moments.extremes_are_bounds else []
    return [*bounds, *normalize_lines(moments)]


def _table_lines(moments: Moments, labels: list[str]) -> list[str]:
    numbers = (moments.mean, moments.std(), moments.min, moments.max)
    columns = [
        _pad_right([HEADINGS[0], *map(_label, labels)]),
        _pad_left([HEADINGS[1], *map(_format_count, moments.count.tolist())]),
        _pad_left([HEADINGS[2], *map(_format_count, moments.missing.tolist())]),
        *(
            _pad_left([heading, *_align_decimal(list(map(number, values.tolist())))])
            for heading, values in zip(HEADINGS[3:7], numbers, strict=True)
        ),
        [HEADINGS[7], *remarks(moments)],
    ]
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _format_count(value: float) -> str:
    """Format a count, or a total of weights, which may have a fraction."""
    return f"{int(value):,}" if float(value).is_integer() else number(value)


def _align_decimal(cells: list[str]) -> list[str]:
    """Pad numbers on the right so that right-aligned decimal points line up.

    Numbers with an exponent are not padded, so that they end in the last column.
    """
    fractions = [0 if "e" in cell else len(cell) - len(cell.partition(".")[0]) for cell in cells]
    width = max(fractions, default=0)
    return [
        cell if "e" in cell else cell + " " * (width - fraction)
        for cell, fraction in zip(cells, fractions, strict=True)
    ]


def _pad_right(cells: list[str]) -> list[str]:
    width = max(map(_width, cells))
    return [cell + " " * (width - _width(cell)) for cell in cells]


def _pad_left(cells: list[str]) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _width(text: str) -> int:
    """Return the width of text in terminal cells: wide letters take two, accents none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    zero_width = sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)
    return len(text) + wide - zero_width


def _label(name: str) -> str:
    """Return a printable name, shortened if it is long."""
    name = printable(name)
    return name if len(name) <= _MAX_WIDTH else name[: _MAX_WIDTH - 1] + "…"


def _shorten(names: list[str]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
