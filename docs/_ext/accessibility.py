"""What screen readers and the keyboard need of a page, beyond what the theme gives them."""

import re
from typing import Any

from sphinx.application import Sphinx

EMPTY_HEADER = re.compile(r'<th class="head[^"]*">\s*(?:<p>\s*</p>)?\s*</th>')


def improve(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Change the text of a page: what scrolls can be focused, and headings have a level."""
    body = context.get("body", "")
    body = EMPTY_HEADER.sub("<td></td>", body)  # the corner of a table is not a header
    body = body.replace("<pre>", '<pre tabindex="0">')
    context["body"] = body.replace('<div class="math">', '<div class="math" tabindex="0">')
    navigation = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = navigation.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("html-page-context", improve, priority=900)  # after the theme
    return {"parallel_read_safe": True}
