"""The link to the same page in the other language, on each page that is translated."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

TEXTS = {"en": ("English", "This page in English"), "ja": ("日本語", "このページの日本語版")}


def other_language_link(app: Sphinx, name: str) -> dict[str, str] | None:
    """Return the address and the text of the link, or None for a page without translation."""
    other = app.config.other_language
    if not (Path(app.srcdir) / other["source"] / f"{name}.md").exists():
        return None
    text, description = TEXTS[other["code"]]
    up = "../" * name.count("/")
    address = f"{up}{other['path']}{name}.html"
    return {"href": address, "lang": other["code"], "text": text, "description": description}


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Make the link available to the template."""
    context["other_language_link"] = other_language_link(app, page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_config_value("other_language", {}, "html")
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True}
