"""Patterns such as ``*.csv`` in the help of the command line, which is not reStructuredText."""

import re

import click
from sphinx.application import Sphinx


def escape(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Escape single stars, which would begin an emphasis; ``**Required**`` is sphinx-click's."""
    lines[:] = [re.sub(r"(?<!\*)\*(?!\*)", r"\\*", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", escape)
    return {"parallel_read_safe": True}
