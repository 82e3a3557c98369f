"""Matplotlib figures as SVG in the page, in the colors of its light or dark theme."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from docutils import nodes
from matplotlib.figure import Figure
from sphinx.application import Sphinx

mpl.use("svg")

COLORS = {
    "#20242a": "--picture-ink",
    "#6b7280": "--picture-muted",
    "#d5d9e0": "--picture-grid",
    "#1f5fbf": "--picture-blue",
    "#c2410c": "--picture-orange",
    "#0f766e": "--picture-green",
    "#9aa3b0": "--picture-gray",
}
"""Each color of a picture, and the CSS variable that replaces it (`_static/site.css`)."""
INK, MUTED, GRID, BLUE, ORANGE, GREEN, GRAY = COLORS

STYLE = {
    "figure.figsize": (5.8, 3.3),
    "figure.dpi": 72,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRAY,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, GRAY]),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}


@contextmanager
def site_style() -> Iterator[None]:
    """Draw in the style of the site."""
    with mpl.rc_context(STYLE):
        yield


def svg_text(figure: Figure, identifier: str, facecolor: str = "none") -> str:
    """Return a figure as SVG; `identifier` keeps its ids apart from those of other figures."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": identifier}):
        figure.savefig(
            buffer,
            format="svg",
            facecolor=facecolor,
            metadata=dict.fromkeys(("Date", "Creator")),
        )
    return buffer.getvalue()


def inline_svg(figure: Figure, identifier: str, description: str) -> str:
    """Return a figure as an SVG element that follows the theme and the width of the page."""
    svg = svg_text(figure, identifier)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg)
    view = re.search(r'viewBox="([^"]+)"', svg)
    assert view
    width = float(view[1].split()[2])
    label = escape(description, quote=True)
    start = (
        f'<svg class="picture" style="max-width: {width * 1.5:.0f}px" viewBox="{view[1]}" '
        f'role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    svg = re.sub(r"<svg[^>]*>", start, svg, count=1)
    svg = re.sub(r"font: (?:[\w.]+ )*?([\d.]+px) [^;\"]+", r"font-size: \1", svg)
    svg = re.sub(r"(id|xlink:href|clip-path)=\"((?:url\()?#?)", rf'\1="\2{identifier}-', svg)
    for color, variable in COLORS.items():
        svg = svg.replace(color, f"var({variable})")
    return svg


def picture_node(
    figure: Figure, identifier: str, description: str, words: Mapping[str, str]
) -> nodes.raw:
    """Return a figure as a node of the page, with some of its texts replaced by others."""
    svg = inline_svg(figure, identifier, description)
    for text, translated in words.items():
        if f">{text}</text>" not in svg:
            raise ValueError(f"The picture must have the text that is translated: {text!r}")
        svg = svg.replace(f">{text}</text>", f">{escape(translated)}</text>")
    return nodes.raw("", svg, format="html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    return {"parallel_read_safe": True}
