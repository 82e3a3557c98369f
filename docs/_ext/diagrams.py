"""Diagrams: Mermaid in the repository, where it is rendered, and a picture on the site.

A script of `pictures/` with the name of the page draws the diagram from the page's own text.
"""

import re
from pathlib import Path
from typing import NamedTuple

from sphinx.application import Sphinx

DIAGRAM = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
NODE = re.compile(r'(\w+)\["([^"]+)"\]')
EDGE = re.compile(r"(\w+) (<?-->)(?:\|([^|]+)\|)? (\w+)")


class Edge(NamedTuple):
    """An arrow between two nodes, which may have a label and two heads."""

    start: str
    end: str
    label: str
    both_ways: bool


def parse(page: str) -> tuple[dict[str, str], list[Edge]]:
    """Return the text of each node, and the edges, of the flowchart of a page."""
    found = DIAGRAM.search(page)
    assert found, "the page has no diagram"
    edges = EDGE.findall(NODE.sub(r"\1", found[1]))
    return dict(NODE.findall(found[1])), [
        Edge(start, end, label, arrow == "<-->") for start, arrow, label, end in edges
    ]


def draw_diagrams(app: Sphinx, name: str, content: list[str]) -> None:
    """Replace the diagram of a page by its picture."""
    found = DIAGRAM.search(content[0])
    if found:
        nodes, edges = parse(content[0])
        steps = (f"{nodes[edge.start]} to {nodes[edge.end]}" for edge in edges)
        picture = f"/pictures/{Path(name).name}.py"
        text = f"```{{picture}} {picture}\n:alt: A diagram. {'; '.join(steps)}.\n```"
        content[0] = content[0].replace(found[0], text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", draw_diagrams)
    return {"parallel_read_safe": True}
