"""The directive ``{thumbnails}``: the first picture, the title and a sentence of each example."""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from examples import run_script
from pictures import inline_svg, site_style
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Thumbnails(SphinxDirective):
    """Show the examples that are listed, one in each line: ``name: a sentence``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the list of links."""
        items = "".join(map(self.item, self.content))
        return [nodes.raw("", f'<ul class="thumbnails">{items}</ul>', format="html")]

    def item(self, line: str) -> str:
        """Return the link to one example."""
        name, _, sentence = line.partition(": ")
        page = Path(self.env.relfn2path(f"{name}.md")[1])
        script = page.with_suffix(".py")
        for file in (page, script):
            self.env.note_dependency(str(file))
        title = re.match(r"# (.+)", page.read_text(encoding="utf-8"))
        assert title, page
        figure = run_script(script)[1][0]
        with site_style():
            svg = inline_svg(figure, f"thumbnail-{name}", "")
        svg = svg.replace('role="img" aria-label=""', 'aria-hidden="true"')
        text = f"<strong>{escape(title[1])}</strong><span>{escape(sentence)}</span>"
        return f'<li><a href="{name}.html">{svg}{text}</a></li>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_directive("thumbnails", Thumbnails)
    return {"parallel_read_safe": True}
