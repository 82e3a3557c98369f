"""The directive ``{live-figure} name``: a figure of the article, with sliders.

Without JavaScript it is an SVG with the numbers of PyTorch and evenly. The script is part of the
page, because browsers do not load modules from ``file://``.
"""

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from figure_models import CONSTANT_COLUMN, MODELS, NAN_COLUMN, Model
from figure_shapes import DRAWINGS, Shape, format_number
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ARTICLE = Path(__file__).parents[1] / "article"
SCRIPT = ARTICLE / "figures.mjs"
TEXTS: dict[str, Any] = json.loads((ARTICLE / "figures.json").read_text(encoding="utf-8"))
START: dict[str, dict[str, Any]] = {
    "columns": {"rows": 100, "constant": False, "nan": False},
    "rows": {"rows": 100},
    "offset": {"exponent": 6},
    "constant": {"exponent": 6.25},
    "eps": {"std": 0, "eps": -5},
    "running": {"momentum": 0.1, "nan": 0},
}
"""The first values of the sliders of each figure."""


def numbers(name: str, model: Model) -> dict[str, str]:
    """Return the numbers below a figure, by the names of their texts."""
    if name == "columns":
        columns = [column["torch"].astype(np.float64) for column in model["columns"]]
        assert max(abs(column.mean()) for column in columns) < 1e-6
        varying = columns[0] if CONSTANT_COLUMN != 0 else columns[1]
        evenly = model["columns"][NAN_COLUMN]["evenly"]
        return {
            "mean": "< 0.000001",
            "byN": format_number(varying.var()),
            "byNMinusOne": format_number(varying.var(ddof=1)),
            "constant": format_number(columns[CONSTANT_COLUMN][0]),
            "nan": str(np.isnan(columns[NAN_COLUMN]).sum()),
            "nanEvenly": str(np.isnan(evenly).sum()),
        }
    if name == "offset":
        return {"offset": f"{model['offset']:,}", "error": format_number(model["error"], 3)}
    if name == "constant":
        values = {key: f"{model[key]:.8g}" for key in ("value", "mean")}
        return values | {key: format_number(model[key]) for key in ("torch", "evenly")}
    if name == "eps":
        return {"before": f"{model['before']:#.2g}", "after": format_number(model["after"], 6)}
    if name == "running":
        mean, variance = model["running"][-1].values()
        evaluation = (3 - mean) / np.sqrt(variance + 1e-5)
        exact = format_number(model["exact"][-1])
        return {
            "mean": format_number(mean), "exact": exact, "evaluation": format_number(evaluation, 3)
        }  # fmt: skip
    return {key: format_number(model[key]) for key in ("byN", "byNMinusOne")}


def svg_element(shape: Shape) -> str:
    """Return a shape as SVG."""
    tag, attributes, text = shape
    listed = "".join(f' {name}="{escape(value, quote=True)}"' for name, value in attributes.items())
    return f"<{tag}{listed}>{escape(text)}</{tag}>"


def figure_html(name: str, language: str) -> str:
    """Return the element of a figure, complete without JavaScript."""
    text = TEXTS[language][name]
    model = MODELS[name](**START[name])
    shapes = "".join(map(svg_element, DRAWINGS[name](model, text)))
    alt = escape(text["alt"], quote=True)
    pairs = "".join(
        f"<div><dt>{escape(text['numbers'][key])}</dt><dd>{escape(value)}</dd></div>"
        for key, value in numbers(name, model).items()
    )
    return (
        f'<live-figure name="{name}">'
        f'<svg viewBox="0 0 420 230" role="img" aria-label="{alt}">{shapes}</svg>'
        f'<dl aria-live="polite">{pairs}</dl>'
        f'<script type="application/json">{json.dumps(text, ensure_ascii=False)}</script>'
        "</live-figure>"
    )


class LiveFigure(SphinxDirective):
    """Show a figure with sliders."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the figure; the first one of a page brings the script."""
        for file in (SCRIPT, ARTICLE / "figures.json", *Path(__file__).parent.glob("figure_*.py")):
            self.env.note_dependency(str(file))
        html = figure_html(self.arguments[0], self.env.config.language)
        if not self.env.temp_data.get("live_figures"):
            self.env.temp_data["live_figures"] = True
            script = SCRIPT.read_text(encoding="utf-8")
            html += f'<script type="module">\n{script}</script>'
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("live-figure", LiveFigure)
    return {"parallel_read_safe": True}
