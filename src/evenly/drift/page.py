"""A comparison as an HTML page, with the intervals and the histograms of both sides."""

import math
from collections.abc import Sequence

from evenly.drift.column import ColumnDrift
from evenly.drift.facts import ColumnFacts
from evenly.drift.intervals import Interval
from evenly.drift.text import (
    Compared,
    format_short,
    mean_texts,
    missing_text,
    rank_text,
    remarks,
    title,
    verdict,
)
from evenly.html_report.histogram import overlay
from evenly.html_report.page import page
from evenly.html_report.table import Heading, remark_list, render, text
from evenly.moments.histograms import Sample, histograms, summarize_bins

_WIDTH, _HEIGHT, _MIDDLE = 120, 16, 8
_SHOWN_LIMITS = 5.0
"""Half the width of the drawing of an interval, in limits."""


def comparison_page(comparison: Compared, sources: Sequence[str]) -> str:
    """Return the page of a comparison.

    Parameters
    ----------
    sources
        The names of the data sets that were compared, in order.
    """
    columns = comparison.columns
    groups = any(column.group is not None for column in columns)
    shapes = any(column.shape is not None for column in columns)
    headings = [Heading("Group", "text")] * groups
    headings += [Heading("Column", "text"), Heading("Remarks", "text")]
    headings += [Heading("Distribution", "picture")] * shapes
    headings += [Heading("Shift of the mean", "picture"), Heading("Shift, std")]
    headings += [Heading(name) for name in ("Mean before", "Mean after", "Std ratio", "Missing %")]
    headings += [Heading(name) for name in ("KS", "Wasserstein, std", "PSI")] * shapes
    headings += [Heading("Rank")] * bool(comparison.earlier)
    rows = (_row(column, groups, shapes, comparison.earlier) for column in columns)
    legend = "Filled: before. Line: after." if shapes else ""
    about = "".join(
        f"<p class=lead>{text(line)}</p>"
        for line in (" → ".join(_abbreviate(sources)), title(comparison), verdict(comparison))
        if line
    )
    body = f"<section>{about}{render(headings, rows, 'Comparison', legend)}</section>"
    return page("Comparison", body)


def _abbreviate(sources: Sequence[str]) -> list[str]:
    """Return at most the first and the last of the earlier sources, and the later one."""
    *before, after = sources or ("",)
    if len(before) > 2:
        before = [f"{before[0]} … {before[-1]}"]
    return [*before, after]


def _row(column: ColumnDrift, groups: bool, shapes: bool, earlier: int) -> str:
    dtype = next(side.dtype for side in (column.before, column.after) if side is not None)
    level = "problem" if column.over else "note"
    lines = [(level if index == 0 else "note", line) for index, line in enumerate(remarks(column))]
    cells = [
        *([_picture(column)] if shapes else []),
        _interval_svg(column),
        _cell(column.shift, signed=True),
        *("" if mean == "-" else text(mean) for mean in mean_texts(column)),  # these sort last
        _cell(column.std_ratio),
        text(missing_text(column).replace(" %", "")),
        *(_shape_cells(column) if shapes else []),
        *([text(rank_text(column, earlier))] if earlier else []),
    ]
    group = f"<td class=group>{text(column.group or '')}" if groups else ""
    return (
        f"<tr>{group}<th scope=row>{text(str(column.name))}<small>{text(dtype)}</small>"
        f"<td>{remark_list(lines)}{''.join(f'<td>{cell}' for cell in cells)}\n"
    )


def _shape_cells(column: ColumnDrift) -> list[str]:
    shape = column.shape
    if shape is None:
        return ["", "", ""]
    return [_cell(shape.ks), _cell(shape.wasserstein), text(format_short(shape.psi))]


def _cell(interval: Interval | None, *, signed: bool = False) -> str:
    """Return an estimate, with its interval in small letters."""
    if interval is None:
        return ""
    value, low, high = (format_short(number, signed=signed) for number in interval)
    return value if low == high == value else f"{value} <small>{low} to {high}</small>"


def _interval_svg(column: ColumnDrift) -> str:
    """Return the interval of the shift as a line, on an axis with the limits."""
    shift, limit = column.shift, dict(column.limits).get("mean", 0.0)
    if shift is None or not math.isfinite(limit):
        return ""
    half = _SHOWN_LIMITS * limit or 1.0
    low, value, high = (_x_position(x, half) for x in (shift.low, shift.value, shift.high))
    ends = "".join(f"M{_x_position(x, half)} 3v10" for x in {-limit, limit})
    axis = f"M0 {_MIDDLE}H{_WIDTH}M{_WIDTH // 2} 0v{_HEIGHT}{ends}"
    bar = f"M{low} {_MIDDLE}H{max(high, low + 1)}M{value} 4v8"
    over = " over" * ("mean" in column.over)
    return (
        f'<svg class="interval{over}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden=true>'
        f'<path d="{axis}"/><path d="{bar}"/></svg>'
    )


def _x_position(value: float, half: float) -> int:
    """Return the x coordinate of a shift; shifts beyond ``-half`` and ``half`` are at the ends."""
    share = min(max((value / half + 1) / 2, 0.0), 1.0) if value == value else 0.5
    return round(share * _WIDTH)


def _picture(column: ColumnDrift) -> str:
    """Return both histograms, over the range that most values of either side have."""
    a, b = column.before, column.after
    if column.shape is None or a is None or b is None:
        return ""
    drawn = histograms([_sample(a), _sample(b)])
    if not drawn:
        return ""
    before, after = drawn
    return overlay(before, after, a.dtype, float(a.mean or 0), a.std or 0.0)


def _sample(side: ColumnFacts) -> Sample:
    """Return the values of a side that has a distribution."""
    assert side.bins is not None
    assert side.min is not None
    assert side.max is not None
    return summarize_bins(side.bins, side.min, side.max)
