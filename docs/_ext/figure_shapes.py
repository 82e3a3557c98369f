"""The shapes of the article's figures without JavaScript: the drawing of `figures.mjs`.

Each shape is a tag, its attributes and its text, on a canvas of 420 x 230.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from figure_models import BATCHES, MODELS, Model, round_half_up

Shape = tuple[str, dict[str, str], str]
Point = tuple[float, float]
Text = dict[str, Any]
LEFT, RIGHT, TOP, BOTTOM = 46, 408, 14, 186


def number(value: float) -> str:
    """Return a coordinate as JavaScript writes it."""
    return f"{round_half_up(value * 10) / 10:.1f}".removesuffix(".0").replace("-0.0", "0")


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Shape:
    """Return a straight line."""
    path = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
    return "path", {"d": path, "class": kind}, ""


def label(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> Shape:
    """Return a text."""
    attributes = {"x": number(x), "y": number(y), "class": kind, "text-anchor": anchor}
    return "text", attributes, text


def dots(points: Sequence[Point], kind: str) -> Shape:
    """Return dots: lines of length 0 with round ends."""
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return "path", {"d": path, "class": kind}, ""


def curve(points: Sequence[Point], kind: str) -> Shape:
    """Return a line through points."""
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return "path", {"d": path, "class": kind}, ""


def scale(first: float, last: float, start: float, end: float) -> Callable[[float], float]:
    """Return the function that maps [first, last] to [start, end]."""
    return lambda value: start + (value - first) / (last - first) * (end - start)


def spread(row: int) -> float:
    """Return the horizontal position of a row in its strip."""
    return (row * 7 % 10 - 4.5) * 1.1


def clip(value: float, limit: float) -> float:
    """Return the value, at most `limit` from 0."""
    return max(-limit, min(limit, value))


def signed(value: float) -> str:
    """Return a number with a real minus sign."""
    return f"{value:g}".replace("-", "−")


def format_number(value: float, digits: int = 4) -> str:
    """Return a number with digits, and with an exponent only if it is tiny."""
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def ticks(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return positions with their labels."""
    return [(value, signed(value)) for value in values]


def powers(first: int, last: int) -> list[tuple[float, str]]:
    """Return exponents of ten with their labels."""
    texts = {0: "1", 1: "10", 2: "100", 3: "1000"}
    superscript = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    steps = range(first, last + 1)
    return [(p, texts.get(p, f"10{str(p).translate(superscript)}")) for p in steps]


def positions(first: float, last: float, step: float) -> list[float]:
    """Return the positions from first to last."""
    return [first + index * step for index in range(round((last - first) / step) + 1)]


Ticks = Sequence[tuple[float, str]]
Scale = Callable[[float], float]


def axes(x: Scale, y: Scale, x_ticks: Ticks, y_ticks: Ticks, title: str) -> list[Shape]:
    """Return grid lines, labels and the title of the horizontal axis."""
    shapes = []
    for value, text in y_ticks:
        shapes.append(line(LEFT, y(value), RIGHT, y(value), "grid"))
        shapes.append(label(LEFT - 6, y(value) + 3.5, text, "tick", "end"))
    shapes += [label(x(value), BOTTOM + 16, text, "tick") for value, text in x_ticks]
    return [*shapes, label((LEFT + RIGHT) / 2, BOTTOM + 35, title, "title")]


def columns_panel(
    columns: Sequence[Model], start: float, key: str, title: str, limit: float, marks: Ticks
) -> list[Shape]:
    """Return ten strips of dots."""
    y = scale(-limit, limit, BOTTOM, TOP + 14)
    shapes = []
    for value, text in marks:
        shapes.append(line(start, y(value), start + 165, y(value), "grid"))
        shapes.append(label(start - 5, y(value) + 3.5, text, "tick", "end"))
    kind = "dot raw" if key == "x" else "dot after"
    middles = [start + 16.5 * (index + 0.5) for index in range(len(columns))]
    for x, column in zip(middles, columns, strict=True):
        shown = [float(value) for value in column[key] if not math.isnan(value)]
        strip = [(x + spread(row), y(clip(value, limit))) for row, value in enumerate(shown)]
        shapes.append(dots(strip, kind))
    shapes += [label(x, BOTTOM + 16, str(index), "tick") for index, x in enumerate(middles)]
    return [*shapes, label(start + 82.5, TOP + 2, title, "title")]


def draw_columns(model: Model, text: Text) -> list[Shape]:
    """Draw ten columns before and after."""
    columns = model["columns"]
    return [
        *columns_panel(columns, 36, "x", text["before"], 8, ticks([-8, -4, 0, 4, 8])),
        *columns_panel(columns, 242, "torch", text["after"], 4, ticks([-4, -2, 0, 2, 4])),
        label(222, BOTTOM + 35, text["axis"], "title"),
    ]


def draw_rows(model: Model, text: Text) -> list[Shape]:
    """Draw n/(n-1), and where n is."""
    rows, ratio = model["rows"], model["ratio"]
    x, y = scale(1, 100, LEFT, RIGHT), scale(0.9, 2.1, BOTTOM, TOP)
    points = [(x(n), y(n / (n - 1))) for n in range(2, 101)]
    shapes = axes(x, y, ticks([1, 10, 20, 40, 60, 80, 100]), ticks([1, 1.5, 2]), text["axis"])
    position = max(LEFT + 60, min(RIGHT - 60, x(rows)))
    return [
        *shapes,
        curve(points, "curve"),
        line(x(rows), y(ratio), x(rows), BOTTOM, "guide"),
        dots([(x(rows), y(ratio))], "dot large"),
        label(
            position,
            max(TOP + 12, y(ratio) - 12),
            format_number(ratio),
            "value",
        ),
    ]


def draw_offset(model: Model, text: Text) -> list[Shape]:
    """Draw the output of PyTorch over the correct output."""
    x, y = scale(-3, 3, LEFT, RIGHT), scale(-3, 3, BOTTOM, TOP)
    pairs = zip(model["right"].tolist(), model["torch"].tolist(), strict=True)
    points = [(x(clip(right, 3)), y(clip(value, 3))) for right, value in pairs]
    return [
        *axes(x, y, ticks([-3, -2, -1, 0, 1, 2, 3]), ticks([-2, 0, 2]), text["axis"]),
        line(x(-3), y(-3), x(3), y(3), "exact"),
        dots(points, "dot wrong"),
        label(x(2.9), y(-2.5), text["exact"], "legend exact-text", "end"),
        label(x(-2.9), y(2.55), text["torch"], "legend wrong-text", "start"),
    ]


def draw_constant(model: Model, text: Text) -> list[Shape]:
    """Draw what constant columns become, over their value."""
    x, y = scale(-0.5, 7.5, LEFT, RIGHT), scale(-1.2, 1.2, BOTTOM, TOP)
    position, height = x(math.log10(model["value"])), y(clip(model["torch"], 1.2))
    others = [MODELS["constant"](exponent) for exponent in positions(0, 7, 0.25)]
    shapes = [(x(math.log10(other["value"])), y(clip(other["torch"], 1.2))) for other in others]
    return [
        *axes(x, y, powers(0, 7), ticks([-1, 0, 1]), text["axis"]),
        line(LEFT, y(0), RIGHT, y(0), "exact"),
        dots(shapes, "dot wrong faint"),
        line(position, y(0), position, height, "guide wrong"),
        dots([(position, height)], "dot large wrong"),
        label(RIGHT, y(0) - 6, text["exact"], "legend exact-text", "end"),
    ]


def draw_eps(model: Model, text: Text) -> list[Shape]:
    """Draw the standard deviation after the layer over the one before."""
    x, y = scale(-4, 1, LEFT, RIGHT), scale(0, 1.1, BOTTOM, TOP)
    spread = [(std, 10 ** (2 * std)) for std in positions(-4, 1, 0.05)]
    points = [(x(std), y(math.sqrt(s / (s + model["eps"])))) for std, s in spread]
    position, after = x(math.log10(model["before"])), model["after"]
    anchor = "end" if position > 300 else "start"
    label_x = position + (-4 if anchor == "end" else 4)
    return [
        *axes(x, y, powers(-4, 1), ticks([0, 0.5, 1]), text["axis"]),
        curve(points, "curve"),
        line(position, y(after), position, BOTTOM, "guide"),
        dots([(position, y(after))], "dot large"),
        label(label_x, y(after) + 18, format_number(after, 6), "value", anchor),
    ]


def draw_running(model: Model, text: Text) -> list[Shape]:
    """Draw the running mean and the exact mean over the batches."""
    x, y = scale(0, BATCHES, LEFT, RIGHT), scale(0, 4, BOTTOM, TOP)
    running = [(x(n + 1), y(step["mean"])) for n, step in enumerate(model["running"])]
    exact = [(x(n + 1), y(mean)) for n, mean in enumerate(model["exact"])]
    return [
        *axes(x, y, ticks([0, 10, 20, 30, 40]), ticks([0, 1, 2, 3, 4]), text["axis"]),
        curve(exact, "exact"),
        curve([(x(0), y(0)), *running], "wrong-curve"),
        label(RIGHT, y(3) - 22, text["exact"], "legend exact-text", "end"),
        label(RIGHT, y(0) - 22, text["torch"], "legend wrong-text", "end"),
    ]


DRAWINGS: dict[str, Callable[[Model, Text], list[Shape]]] = {
    name: globals()[f"draw_{name}"] for name in MODELS
}
"""The drawing of each figure, with the first values of its sliders."""
