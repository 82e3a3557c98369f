"""Directives that run a script while the site is built, and show what it prints and draws.

``{example} path``: the code, the output and the figures of a script of the gallery.
``{pitfall} path``: the same for a script of `pitfalls/`, with a picture of its three results.
``{picture} path``: only the figures.
"""

import io
import math
import re
import runpy
import tempfile
from contextlib import chdir, redirect_stdout
from functools import cache
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from pictures import BLUE, GRAY, INK, ORANGE, picture_node, site_style
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


@cache
def run_script(script: Path) -> tuple[str, list[Figure]]:
    """Run a script in an empty folder, and return what it prints and the figures it draws.

    It is cached, since an example is shown on its page and in the index of the gallery.
    """
    printed = io.StringIO()
    plt.close("all")
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        site_style(),
        redirect_stdout(printed),
    ):
        runpy.run_path(str(script), run_name="__main__")
    return printed.getvalue(), [plt.figure(number) for number in plt.get_fignums()]


def body(script: Path) -> str:
    """Return the code of a script without its docstring."""
    text = script.read_text(encoding="utf-8")
    return re.sub(r'\A""".*?"""\n+', "", text, flags=re.DOTALL)


class Script(SphinxDirective):
    """Base class of the directives."""

    required_arguments = 1
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Run the script, and return what the page shows of it."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        self.script = Path(absolute)
        printed, figures = run_script(self.script)
        shown = self.show(printed, figures)
        plt.close("all")
        return shown

    def show(self, printed: str, figures: list[Figure]) -> list[nodes.Node]:
        """Return the nodes of the page."""
        raise NotImplementedError

    def pictures(self, figures: list[Figure]) -> list[nodes.Node]:
        """Return the figures as nodes."""
        names = (f"{self.script.stem}-{number}" for number in range(len(figures)))
        alt = self.options.get("alt", self.script.stem)
        words = self.options.get("words", {})
        with site_style():
            return [picture_node(*pair, alt, words) for pair in zip(figures, names, strict=False)]


def parse_words(argument: str) -> dict[str, str]:
    """Return the words of ``:words: mean = 平均; std = 標準偏差``."""
    return dict(pair.strip().split(" = ") for pair in argument.split(";"))


class Picture(Script):
    """Show only the figures, in which words may be replaced by those of another language."""

    option_spec: ClassVar = {**Script.option_spec, "words": parse_words}

    def show(self, printed: str, figures: list[Figure]) -> list[nodes.Node]:
        """Return the figures."""
        return self.pictures(figures)


class Example(Script):
    """Show the figures, the code and the output."""

    def show(self, printed: str, figures: list[Figure]) -> list[nodes.Node]:
        """Return the figures, the code and the output."""
        code = nodes.literal_block("", body(self.script), language="python")
        output = nodes.literal_block("", printed, language="text", classes=["output"])
        return [*self.pictures(figures), code, *([output] if printed else [])]


class Pitfall(Example):
    """Show a script of `pitfalls/`, with a picture of its results."""

    def show(self, printed: str, figures: list[Figure]) -> list[nodes.Node]:
        """Return the picture, the output and the code."""
        with site_style():
            figure = draw_results(printed)
        self.options["alt"] = printed
        picture, code, output = super().show(printed, [figure])
        return [output, picture, code]


def draw_results(printed: str) -> Figure:
    """Draw the right result, the usual one and evenly's as bars."""
    found = re.findall(r"^(right|usual|evenly) +(\S+)", printed, re.MULTILINE)
    figure, axes = plt.subplots(figsize=(5.8, 1.5))
    values = [float(value) for _, value in found]
    heights = [0.0 if math.isnan(value) else value for value in values]
    axes.barh(range(3), heights, color=[GRAY, ORANGE, BLUE], height=0.62)
    axes.set_yticks(range(3), [name for name, _ in found])
    for place, (height, (_, text)) in enumerate(zip(heights, found, strict=True)):
        axes.annotate(
            "NaN" if text == "nan" else text,
            (max(height, 0.0), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    axes.axvline(0, color=GRAY, linewidth=1)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.grid(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlim(left=min(0.0, *heights))
    axes.set_title(printed.partition("\n")[0] if printed[0].isupper() else "")
    return figure


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    for directive in (Example, Pitfall, Picture):
        app.add_directive(directive.__name__.lower(), directive)
    return {"parallel_read_safe": True}
