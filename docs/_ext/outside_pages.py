"""Pages outside of `docs/`, such as the changelog, and links to them.

A page that consists of one ``{include}`` shows a file of the repository. Links in the repository
lead to files, so they also work there; on the site they lead to the pages that show these files.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
INCLUDE = re.compile(r"```\{include\} (\S+)\n```\n?")


def pages_of_files() -> dict[Path, Path]:
    """Return the page of each file outside of `docs/` that has one."""
    pages = {}
    for folder in ("project", "pitfalls"):
        for page in sorted((DOCS / folder).glob("*.md")):
            shown = re.search(r"```\{(?:include|pitfall)\} (\S+)\n", page.read_text("utf-8"))
            if shown:
                pages[(page.parent / shown[1]).resolve()] = page
    return pages


def relink(text: str, source: Path, page: Path, srcdir: Path) -> str:
    """Return the text of a file with the links that lead where a page needs them to lead."""
    pages = pages_of_files()

    def replace(match: re.Match[str]) -> str:
        words, path, anchor = match[1], match[2], match[3] or ""
        target = (source.parent / path).resolve()
        shown = pages.get(target, target)
        link = os.path.relpath(shown, page.parent)
        if shown.is_relative_to(DOCS) and not shown.is_relative_to(srcdir):  # the other site
            return f'<a href="{link.removesuffix(".md")}.html{anchor}">{words}</a>'
        return f"[{words}]({link}{anchor})"

    parts = text.split("```")
    parts[::2] = [LINK.sub(replace, part) for part in parts[::2]]  # not in fenced code
    return "```".join(parts)


def read_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Insert the file that a page shows, and correct its links."""
    page = Path(app.env.doc2path(name)).resolve()
    source, text = page, content[0]
    included = INCLUDE.fullmatch(text)
    if included:
        source = (page.parent / included[1]).resolve()
        text = source.read_text(encoding="utf-8")
        app.env.note_dependency(str(source), docname=name)
    content[0] = relink(text, source, page, Path(app.srcdir).resolve())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}
