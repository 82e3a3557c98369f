"""Moments as a text table: one line per column, numbers aligned at the decimal point."""

from collections.abc import Callable, Mapping

from evenly.moments import GroupedMoments, Moments, MomentsByKey, grouped, text_table
from evenly.moments.nearly_constant import nearly_constant
from evenly.moments.text_table import (
    BOUNDS,
    TextTable,
    format_name,
    format_number,
    format_spread,
    format_value,
    to_text,
    visible_columns,
)
from evenly.printable import counted, printable
from evenly.report.torchvision import normalize_lines
from evenly.time_text import is_time

HEADINGS = ("column", "count", "missing", "mean", "std", "min", "max", "remarks")
HEAD, TAIL = 50, 10
"""Columns shown at the start and at the end of a longer table."""
_MAX_LEFT_OUT = 20
"""The maximum number of columns that are not fitted, each with a row."""


def table(moments: Moments) -> str:
    """Return the table of moments as text, without a trailing line break.

    Numbers have six significant digits, or all digits before the decimal point if there are
    more; the exact values are in the statistics file. A long table shows the first and the last
    columns, and the number of columns between them. Columns of the sources that are not fitted
    follow, with the reason.

    >>> import numpy as np
    >>> moments = Moments.empty(["year", "delay"])
    >>> print(table(moments.update(np.array([[2013, 2.5], [2013, np.nan]]))))
    2 rows, 2 columns
    column  count  missing    mean  std     min     max  remarks
    year        2        0  2013      0  2013    2013    constant
    delay       1        1     2.5    0     2.5     2.5  one value
    """
    indices = visible_columns(moments.num_features, HEAD, TAIL)
    names = moments.columns or range(moments.num_features)
    labels = [names[index] for index in indices]
    visible = moments if len(indices) == moments.num_features else moments.select(labels)
    hidden = moments.num_features - len(indices)
    return to_text(
        TextTable(
            _title(moments),
            HEADINGS,
            _rows(visible, list(map(str, labels))) + _left_out(moments.left_out),
            "lrrddddl",
            omitted=f"… {hidden:,} more columns …" if hidden else "",
            head=HEAD,
            footer=_footer(moments),
        )
    )


def any_table(moments: Moments | GroupedMoments | MomentsByKey) -> str:
    """Return the table of any moments as text; with keys, one table for each."""
    if isinstance(moments, MomentsByKey):
        return "\n\n".join(f"{format_name(key)}: {table(m)}" for key, m in moments.items())
    return table(moments) if isinstance(moments, Moments) else group_table(moments)


def group_table(moments: GroupedMoments) -> str:
    """Return the table of grouped moments as text: one line per group and column."""
    return to_text(grouped.group_table(moments, HEAD, TAIL))


def remarks(moments: Moments) -> list[str]:
    """Return a remark on each column, which is empty for most.

    >>> import numpy as np
    >>> remarks(Moments.empty(2).update(np.array([[np.nan, 1.0], [np.nan, 2.0]])))
    ['all missing', '']
    """
    facts = zip(
        moments.count, moments.missing, moments.constant, nearly_constant(moments), strict=True
    )
    return [_remark(*fact) for fact in facts]


def _remark(count: float, missing: float, constant: bool, nearly: bool) -> str:
    if not count:
        return "all missing" if missing else "no rows"
    if count == 1:
        return "one value"
    return "constant" if constant else "nearly constant" if nearly else ""


def _title(moments: Moments) -> str:
    return f"{counted(moments.rows, 'row')}, {counted(moments.num_features, 'column')}"


def _footer(moments: Moments) -> list[str]:
    bounds = [BOUNDS] if moments.extremes_are_bounds else []
    return [*bounds, *normalize_lines(moments)]


def _rows(moments: Moments, labels: list[str]) -> list[text_table.Row]:
    columns = (
        map(format_name, labels),
        map(_format_count, moments.count.tolist()),
        map(_format_count, moments.missing.tolist()),
        map(_number_or(format_value), moments.mean.tolist(), moments.dtypes),
        map(_number_or(format_spread), moments.std().tolist(), moments.dtypes),
        map(_number_or(format_value), moments.min.tolist(), moments.dtypes),
        map(_number_or(format_value), moments.max.tolist(), moments.dtypes),
        remarks(moments),
    )
    return list(zip(*columns, strict=True))


def _left_out(columns: Mapping[str, str]) -> list[text_table.Row]:
    """Return the rows of the columns that are not fitted.

    >>> _left_out({"carrier": "text"})
    [('carrier', '', '', '', '', '', '', 'left out: text')]
    """
    items = list(columns.items())
    shown, others = items[:_MAX_LEFT_OUT], items[_MAX_LEFT_OUT:]
    reasons = ", ".join(dict.fromkeys(reason for _, reason in others))
    cells = [(format_name(name), reason) for name, reason in shown]
    cells += [(f"({len(others):,} more)", reasons)] if others else []
    empty = ("",) * (len(HEADINGS) - 2)
    return [(name, *empty, f"left out: {printable(reason)}") for name, reason in cells]


def _number_or(time_text: Callable[[float, str], str]) -> Callable[[float, str], str]:
    """Return the function that formats numbers, and times with ``time_text``."""
    return lambda value, dtype: time_text(value, dtype) if is_time(dtype) else format_number(value)


def _format_count(value: float) -> str:
    """Format a count, or a total of weights, which may have a fraction."""
    return f"{int(value):,}" if float(value).is_integer() else format_number(value)
