"""``{report} path``: run a script that writes report.html, and show that page in a frame."""

import runpy
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "_reports"


class ReportPage(nodes.General, nodes.Element):
    """A page in a frame; it is written to the site with the page that shows it."""


class Report(SphinxDirective):
    """Run a script in an empty folder, and show the page that it writes."""

    required_arguments = 1
    option_spec: ClassVar = {"title": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the node of the page."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        name = f"{Path(absolute).stem}.html"
        return [ReportPage(name=name, title=self.options["title"], page=run(absolute))]


def run(script: str) -> str:
    """Return the page that a script writes."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        runpy.run_path(script, run_name="__main__")
        return Path("report.html").read_text(encoding="utf-8")


def visit(translator: Any, node: ReportPage) -> None:
    """Write the page, and a frame that shows it."""
    folder = Path(translator.builder.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / node["name"]).write_text(node["page"], encoding="utf-8")
    up = translator.builder.get_relative_uri(translator.builder.current_docname, "index")
    url = f"{up.rpartition('/')[0]}/{FOLDER}/{node['name']}".lstrip("/")
    title = translator.attval(node["title"])
    translator.body.append(
        f'<iframe class="report" src="{url}" title="{title}" loading="lazy"></iframe>'
        f'<p class="report"><a href="{url}">{title}</a>, as a page of its own</p>'
    )


def depart(_: Any, __: ReportPage) -> None:
    """Do nothing: the element is complete."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its node with Sphinx."""
    app.add_node(ReportPage, html=(visit, depart))
    app.add_directive("report", Report)
    return {"parallel_read_safe": True}
