"""The diagram of `architecture.md`: its nodes and edges, at the places chosen here."""

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
from diagrams import parse
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

PLACES = {
    "data": (5.0, 0), "remote": (8.7, 0),
    "fit": (5.0, 1),
    "dispatch": (5.0, 2),
    "sources": (5.0, 3), "engines": (8.7, 3),
    "checkpoint": (1.3, 4), "fitting": (5.0, 4),
    "moments": (5.0, 5),
    "core": (1.3, 6), "statistics": (5.0, 6), "file": (8.7, 6),
    "transform": (1.3, 7), "layers": (5.0, 7), "report": (8.7, 7),
    "sinks": (1.3, 8), "drift": (8.7, 8),
}  # fmt: skip
"""The center of each box: columns and rows."""
WIDTH, HEIGHT = 2.4, 0.54
INK, MUTED, FRAME = "#20242a", "#6b7280", "#9aa3b0"

page = (Path(__file__).parents[1] / "architecture.md").read_text(encoding="utf-8")
texts, edges = parse(page)
figure, axes = plt.subplots(figsize=(7.2, 7.4))
axes.set_xlim(0, 10)
axes.set_ylim(8.5, -0.5)
axes.set_axis_off()

boxes = {}
for name, text in texts.items():
    x, y = PLACES[name]
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.08"
    boxes[name] = FancyBboxPatch(corner, WIDTH, HEIGHT, style, fc="none", ec=FRAME, lw=1)
    axes.add_patch(boxes[name])
    lines = "\n".join(textwrap.wrap(text, 25))
    axes.text(x, y, lines, ha="center", va="center", fontsize=7.5, color=INK, linespacing=1.25)

for edge in edges:
    (x1, y1), (x2, y2) = PLACES[edge.start], PLACES[edge.end]
    arrow = FancyArrowPatch(
        (x1, y1),
        (x2, y2),
        patchA=boxes[edge.start],
        patchB=boxes[edge.end],
        arrowstyle="<|-|>" if edge.both_ways else "-|>",
        mutation_scale=9,
        shrinkA=1,
        shrinkB=1,
        color=MUTED,
        lw=1,
    )
    axes.add_patch(arrow)
    if edge.label:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        ha, va = "left", "center" if x1 == x2 else "bottom" if x1 < x2 else "top"
        if y1 == y2:
            ha, va = "center", "bottom"
        axes.annotate(
            edge.label,
            (x, y),
            xytext=(5 * (ha == "left"), 3 * (va == "bottom")),
            textcoords="offset points",
            ha=ha,
            va=va,
            fontsize=7,
        )
