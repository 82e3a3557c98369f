"""A comparison as a text table: one line per column, the largest difference first."""

import math
from collections.abc import Sequence
from typing import Protocol

from evenly.drift.column import ColumnDrift
from evenly.drift.facts import ColumnFacts, to_float
from evenly.drift.intervals import Interval
from evenly.html_report.numbers import decimal_text, share_text
from evenly.moments.text_table import TextTable, format_name, format_value, omitted_line
from evenly.printable import counted
from evenly.time_text import is_time

HEAD = 60
"""Lines that are shown of a longer table."""
_HEADINGS = ("column", "mean before", "mean after", "shift (std)", "std ratio", "missing")
_SHAPE_HEADINGS = ("KS", "W1 (std)")
_DIGITS, _MOST_DIGITS = 7, 17
"""Digits of two different values that are equal to six digits."""


class Compared(Protocol):
    """The attributes of `evenly.Comparison` that a table shows."""

    @property
    def columns(self) -> tuple[ColumnDrift, ...]:
        """The columns, the largest difference first."""

    @property
    def over(self) -> tuple[ColumnDrift, ...]:
        """The columns that are over the limit."""

    @property
    def limit(self) -> float:
        """The limit of each measure."""

    @property
    def confidence(self) -> float:
        """The confidence of all intervals together."""

    @property
    def rows(self) -> tuple[int, int]:
        """The numbers of rows before and after."""

    @property
    def earlier(self) -> int:
        """The number of data sets of the baseline, or 0."""


def comparison_table(comparison: Compared, head: int = HEAD) -> TextTable:
    """Return the table of a comparison."""
    shown = comparison.columns[:head]
    has_shapes = any(column.shape is not None for column in comparison.columns)
    ranks = ("rank",) if comparison.earlier else ()
    headings = (*_HEADINGS, *(_SHAPE_HEADINGS if has_shapes else ()), *ranks, "remarks")
    return TextTable(
        title(comparison),
        headings,
        [_row(column, has_shapes, comparison.earlier) for column in shown],
        "l" + "r" * (len(headings) - 2) + "l",
        omitted=omitted_line(len(comparison.columns) - len(shown)),
        head=head,
        footer=[verdict(comparison)],
    )


def title(comparison: Compared) -> str:
    """Return the line above the table."""
    before, after = (counted(rows, "row") for rows in comparison.rows)
    days = f" in {comparison.earlier:,} data sets" if comparison.earlier else ""
    return f"{before}{days} before, {after} after"


def verdict(comparison: Compared) -> str:
    """Return the line that says how many columns are over the limit."""
    over, total = len(comparison.over), len(comparison.columns)
    count = f"{over:,} of {counted(total, 'column')}"
    usual = ", or what is usual among the data sets before" if comparison.earlier else ""
    return (
        f"over the limit of {comparison.limit:g}{usual}, at {comparison.confidence * 100:g} % "
        f"confidence: {count}"
    )


def summary(comparison: Compared, most: int = 5) -> str:
    """Return in one line which columns are over the limit, and by how much."""
    over = comparison.over
    shown = [f"{_short_label(column)} ({'; '.join(_reasons(column))})" for column in over[:most]]
    more = f" and {len(over) - most:,} more" if len(over) > most else ""
    return f"{verdict(comparison)}: {', '.join(shown)}{more}"


def _reasons(column: ColumnDrift) -> list[str]:
    """Return the estimates that are over the limit."""
    missing, shape = column.missing, column.shape
    texts = {
        "mean": column.shift and f"mean {format_short(column.shift.value, signed=True)} std",
        "std": column.std_ratio and f"std × {format_short(column.std_ratio.value)}",
        "missing": missing and f"missing {missing_text(column)}",
        "distribution": shape and f"Kolmogorov-Smirnov distance {format_short(shape.ks.value)}",
    }
    return [texts.get(name) or name for name in column.over]


def _row(column: ColumnDrift, has_shapes: bool, earlier: int) -> tuple[str, ...]:
    shape = column.shape
    shapes = (None, None) if shape is None else (shape.ks, shape.wasserstein)
    return (
        _short_label(column),
        *mean_texts(column),
        interval_text(column.shift, signed=True),
        interval_text(column.std_ratio),
        missing_text(column),
        *(map(interval_text, shapes) if has_shapes else ()),
        *([rank_text(column, earlier)] if earlier else []),
        "; ".join(remarks(column)),
    )


def _short_label(column: ColumnDrift) -> str:
    """Return the label of a column, in which a long key or name is cut."""
    name = format_name(str(column.name))
    return name if column.group is None else f"{format_name(column.group)}: {name}"


def mean_texts(column: ColumnDrift) -> tuple[str, str]:
    """Return the means of both sides, as dates or numbers."""
    sides = column.before, column.after
    means = (None if side is None or side.mean is None else to_float(side.mean) for side in sides)
    dtypes = ("" if side is None else side.dtype for side in sides)
    return _pair_texts((*means,), (*dtypes,))


def _pair_texts(values: tuple[float | None, ...], dtypes: tuple[str, ...]) -> tuple[str, str]:
    """Return two values as text, with so many digits that different ones look different."""
    first, second = (
        format_value(value, dtype) for value, dtype in zip(values, dtypes, strict=True)
    )
    old, new = values
    if first != second or old is None or new is None or old == new or any(map(is_time, dtypes)):
        return first, second
    for digits in range(_DIGITS, _MOST_DIGITS):
        first, second = decimal_text(old, digits), decimal_text(new, digits)
        if first != second:
            return first, second
    return repr(old), repr(new)


def missing_text(column: ColumnDrift) -> str:
    """Return the shares of missing values before and after; empty if there are none."""
    sides = [side for side in (column.before, column.after) if side is not None]
    if not any(side.missing for side in sides):
        return ""
    return " → ".join(share_text(side.missing_share) if side.rows else "-" for side in sides)


def rank_text(column: ColumnDrift, earlier: int) -> str:
    """Return how many earlier data sets are at least as far from the others.

    The measure with the fewest is shown: in ``0 of 20 (mean)``, the mean of none of 20 days was
    as far from that of the other days.
    """
    if not column.ranks:
        return ""
    name, rank = min(column.ranks, key=lambda pair: pair[1])
    return f"{rank:,} of {earlier:,} ({name})"


def interval_text(interval: Interval | None, *, signed: bool = False) -> str:
    """Format an estimate with its interval.

    >>> interval_text(Interval(0.25, 0.2, 0.3), signed=True)
    '+0.25 (+0.2 to +0.3)'
    """
    if interval is None:
        return "-"
    value, low, high = (format_short(number, signed=signed) for number in interval)
    return value if low == high == value else f"{value} ({low} to {high})"


def format_short(value: float, *, signed: bool = False) -> str:
    """Format a number with three digits.

    >>> [format_short(value, signed=True) for value in (0.12345, -2.0, float("inf"), 1234.5)]
    ['+0.123', '-2', '+∞', '+1,230']
    """
    sign = "+" if signed and value > 0 else ""
    if not math.isfinite(value):
        return f"{sign or '-' * (value < 0)}∞" if value == value else "-"
    if 1e-3 <= abs(value) < 1e6:
        rounded = float(f"{value:.3g}")
        return f"{sign}{rounded:,.0f}" if abs(rounded) >= 1000 else f"{sign}{rounded:.3g}"
    return f"{sign}{value + 0.0:.1e}" if value else "0"


def remarks(column: ColumnDrift) -> Sequence[str]:
    """Return the remarks on a column: why it is over the limit, its range, and its dtypes."""
    lines: list[str] = []
    before, after = column.before, column.after
    if column.change in ("appeared", "vanished"):
        if before is None or after is None:
            lines.append(column.change)
    elif column.over and not column.change:
        lines.append(f"over: {', '.join(column.over)}")
    if column.dtype_changed and before is not None and after is not None:
        what = "not comparable" if column.change else "dtype"
        lines.append(f"{what}: {before.dtype} → {after.dtype}")
    if before is not None and after is not None and bool(before.rows) != bool(after.rows):
        lines.append("no rows after" if before.rows else "no rows before")
    if column.change == "":
        lines += _range(column)
    return lines


def _range(column: ColumnDrift) -> list[str]:
    """Return whether values are outside of the earlier range by more than a standard deviation.

    Extremes have no confidence interval.
    """
    before, after = column.before, column.after
    if before is None or after is None or None in (before.min, after.min):
        return []
    lines = []
    margin = before.std or 0.0
    if float(after.min or 0) < float(before.min or 0) - margin:
        lines.append(f"min {_change(before.min, after.min, before, after)}")
    if float(after.max or 0) > float(before.max or 0) + margin:
        lines.append(f"max {_change(before.max, after.max, before, after)}")
    return lines


def _change(old: float | None, new: float | None, before: ColumnFacts, after: ColumnFacts) -> str:
    return " → ".join(_pair_texts((old, new), (before.dtype, after.dtype)))
