"""Moments as a text table: a column a line, numbers aligned at the decimal point."""

import unicodedata
from collections.abc import Mapping

from evenly.moments import GroupedMoments, Moments
from evenly.moments.text_table import BOUNDS, number, text
from evenly.printable import printable
from evenly.report.torchvision import normalize_lines

HEADINGS = ("column", "count", "missing", "mean", "std", "min", "max", "remarks")
HEAD, TAIL = 50, 10
"""Columns shown at the start and at the end when there are more than both."""
_MAX_WIDTH = 40


def table(moments: Moments) -> str:
    """Return the table of moments as text, without a line break at its end.

    Six digits are shown, and all digits before the decimal point: enough to look at;
    the exact values are in the statistics file. Of very many columns only the first and
    the last are shown, and how many were passed over.

    >>> import numpy as np
    >>> moments = Moments.empty(["year", "delay"])
    >>> print(table(moments.update(np.array([[2013, 2.5], [2013, np.nan]]))))
    2 rows, 2 columns
    column  count  missing    mean  std     min     max  remarks
    year        2        0  2013      0  2013    2013    constant
    delay       1        1     2.5    0     2.5     2.5  one value
    """
    indices = _shown(moments.num_features)
    names = moments.columns or range(moments.num_features)
    labels = [names[index] for index in indices]
    part = moments if len(indices) == moments.num_features else moments.select(labels)
    lines = _lines(part, list(map(str, labels)))
    if passed_over := moments.num_features - len(indices):
        lines.insert(1 + HEAD, f"… {passed_over:,} more columns …")
    return "\n".join([_title(moments), *lines, *_footer(moments)])


def group_table(moments: GroupedMoments) -> str:
    """Return the table of grouped moments as text: one line per group and column."""
    return text(moments._table_view(HEAD, TAIL))


def format_skipped(columns: Mapping[str, str]) -> str:
    """Return a line that names the columns left out, grouped by the reason.

    >>> format_skipped({"carrier": "text", "time_hour": "timestamp", "origin": "text"})
    'left out: carrier, origin (text); time_hour (timestamp)'
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in columns.items():
        reasons.setdefault(reason, []).append(_label(name))
    groups = [f"{_shorten(names)} ({printable(reason)})" for reason, names in reasons.items()]
    return f"left out: {'; '.join(groups)}"


def remarks(moments: Moments) -> list[str]:
    """Return what is to be said of each column; of most, nothing.

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


def _shown(columns: int) -> list[int]:
    if columns <= HEAD + TAIL:
        return list(range(columns))
    return [*range(HEAD), *range(columns - TAIL, columns)]


def _title(moments: Moments) -> str:
    rows, columns = moments.rows, moments.num_features
    return f"{rows:,} row{'s' * (rows != 1)}, {columns:,} column{'s' * (columns != 1)}"


def _footer(moments: Moments) -> list[str]:
    bounds = [BOUNDS] if moments.extremes_are_bounds else []
    return [*bounds, *normalize_lines(moments)]


def _lines(moments: Moments, labels: list[str]) -> list[str]:
    numbers = (moments.mean, moments.std(), moments.min, moments.max)
    columns = [
        _left([HEADINGS[0], *map(_label, labels)]),
        _right([HEADINGS[1], *map(_count, moments.count.tolist())]),
        _right([HEADINGS[2], *map(_count, moments.missing.tolist())]),
        *(
            _right([heading, *_align_decimal(list(map(number, values.tolist())))])
            for heading, values in zip(HEADINGS[3:7], numbers, strict=True)
        ),
        [HEADINGS[7], *remarks(moments)],
    ]
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _count(value: float) -> str:
    """A count is whole; a total of fractional weights may not be."""
    return f"{int(value):,}" if float(value).is_integer() else number(value)


def _align_decimal(cells: list[str]) -> list[str]:
    """Pad numbers after the point, so that they can be set to the right.

    Numbers with an exponent have no index in common with the others: they end together.
    """
    ends = [0 if "e" in cell else len(cell) - len(cell.partition(".")[0]) for cell in cells]
    widest = max(ends, default=0)
    return [
        cell if "e" in cell else cell + " " * (widest - end)
        for cell, end in zip(cells, ends, strict=True)
    ]


def _left(cells: list[str]) -> list[str]:
    widest = max(map(_width, cells))
    return [cell + " " * (widest - _width(cell)) for cell in cells]


def _right(cells: list[str]) -> list[str]:
    widest = max(map(len, cells))
    return [cell.rjust(widest) for cell in cells]


def _width(text: str) -> int:
    """How many indices a terminal gives it: two to a Chinese letter, none to an accent."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    none = sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)
    return len(text) + wide - none


def _label(name: str) -> str:
    """A name that keeps to its line and cannot control the terminal, cut when it is long."""
    name = printable(name)
    return name if len(name) <= _MAX_WIDTH else name[: _MAX_WIDTH - 1] + "…"


def _shorten(names: list[str]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
