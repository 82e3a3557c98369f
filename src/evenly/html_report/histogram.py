"""A histogram as SVG: one path of steps, and two axes, of raw and of normalized values."""

import math
from collections.abc import Sequence
from html import escape

from evenly.html_report.axis import ticks
from evenly.html_report.numbers import number, share_text
from evenly.html_report.summary import Bars, ColumnSummary, is_integer
from evenly.time_text import is_time

WIDTH, HEIGHT = 192, 34
"""The size of the area of the bars, in units of the drawing."""
BOTTOM = 26
"""The height of the axes below it."""
BINS = 32
_LETTER = 5.4
"""The width of a digit of the labels."""


def svg(column: ColumnSummary) -> str:
    """Return the drawing of a column, or an empty text without values."""
    distribution = column.distribution
    if distribution is None or distribution.histogram is None:
        return ""
    histogram = distribution.histogram
    marks = [_x(value, histogram) for value in distribution.quantiles]
    lines = "".join(f"M{x} 0V{HEIGHT}" for x in sorted({x for x in marks if 0 <= x <= WIDTH}))
    axes = _axes(histogram, column.dtype, column.mean, column.std)
    return (
        f'<svg viewBox="-8 -2 {WIDTH + 16} {HEIGHT + BOTTOM + 2}" aria-hidden=true>'
        f'<path d="{steps(histogram.counts)}"/>'
        f'<path d="{lines}"/>{axes}{_outside(histogram)}</svg>'
    )


def overlay(before: Bars, after: Bars, dtype: str, mean: float, std: float) -> str:
    """Return two histograms with the same edges, as shares: bars, and an outline above them."""
    shares = [[count / sum(h.counts) for count in h.counts] for h in (before, after)]
    top = max(map(max, shares))
    bars, outline = (steps(share, top) for share in shares)
    return (
        f'<svg viewBox="-8 -2 {WIDTH + 16} {HEIGHT + BOTTOM + 2}" aria-hidden=true>'
        f'<path d="{bars}"/><path d="{outline}" class=after></path>'
        f"{_axes(before, dtype, mean, std)}{_outside(before, after)}</svg>"
    )


def steps(counts: Sequence[float], top: float = 0.0) -> str:
    """Return the outline of bars, of which the highest has the height of the area.

    Parameters
    ----------
    top
        The count of the highest bar, if it is not that of these.
    """
    top = top or max(counts, default=0.0)
    if not top:
        return ""
    pieces, x, level = [f"M0 {HEIGHT}"], 0, 0
    for index, count in enumerate((*counts, 0.0)):
        height, position = _height(count / top), round(index * WIDTH / len(counts))
        if height != level:
            pieces.append(f"h{position - x}" * (position > x) + f"v{level - height}")
            x, level = position, height
    return "".join(pieces) + "z"


def _height(share: float) -> int:
    """Return the height of a bar; a bar that is not empty can be seen."""
    return max(1, round(share * HEIGHT)) if share > 0 else 0


def _x(value: float, histogram: Bars) -> int:
    span = histogram.high - histogram.low
    if not math.isfinite(value) or not span:
        return -1
    position = (value - histogram.low) / span * WIDTH
    return round(min(max(position, -1), WIDTH + 1))


def _axes(histogram: Bars, dtype: str, mean: float, std: float) -> str:
    """Return the ticks and labels of both axes; normalizing maps one to the other."""
    low, high = histogram.low, histogram.high
    labels = _raw_labels(histogram, dtype)
    text, marks = _texts(labels), _marks([x for x, _ in labels], HEIGHT)
    lines = f"M0 {HEIGHT}H{WIDTH}"
    if std and math.isfinite(std):
        lines += f"M0 {HEIGHT + 13}H{WIDTH}"
        below = [
            (_x(mean + tick * std, histogram), number(tick))
            for tick in ticks((low - mean) / std, (high - mean) / std)
        ]
        marks += _marks([x for x, _ in below], HEIGHT + 13)
        text += f"<g>{_texts(below)}</g>"
    return f'<path d="{lines}{marks}"/>{text}'


def _raw_labels(histogram: Bars, dtype: str) -> list[tuple[int, str]]:
    """Return the positions and texts of the raw axis: as many as there is room for."""
    low, high = histogram.low, histogram.high
    labels: list[tuple[int, str]] = []
    for most in (5, 4, 3, 2):
        raw = [low, (low + high) / 2] if is_time(dtype) else ticks(low, high, most)
        labels = [
            (_x(value, histogram), _label(value, dtype))
            for value in raw
            if value.is_integer() or not is_integer(dtype)
        ]
        if sum(len(text) + 1 for _, text in labels) * _LETTER <= WIDTH:
            break
    return labels


def _label(value: float, dtype: str) -> str:
    text = number(value, dtype)
    return text.partition(" ")[0] if is_time(dtype) and text[:1].isdigit() else text


def _texts(labels: list[tuple[int, str]]) -> str:
    return "".join(f"<text x={x}>{escape(text)}</text>" for x, text in labels)


def _marks(positions: list[int], y: int) -> str:
    return "".join(f"M{x} {y}v3" for x in positions)


def _outside(*histograms: Bars) -> str:
    """Return a note on values that the drawing does not show."""
    shares = [histogram.outside for histogram in histograms]
    if not any(shares):
        return ""
    note = " → ".join(map(share_text, shares))
    return f"<text class=out x={WIDTH}>{escape(note)} outside</text>"
