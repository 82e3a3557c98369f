"""Line breaks in Japanese text, which are not spaces."""

import re

from sphinx.application import Sphinx

WIDE = re.compile(r"[\u2014\u2026\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
MARKUP = ("#", ":", "|", ">", "-", "`", "$")
"""What the lines begin with that are not text, or do not continue it."""


def join(text: str) -> str:
    """Join the lines of each paragraph where a Japanese character is at the break."""
    joined: list[str] = []
    is_code = False
    for line in text.split("\n"):
        last = joined[-1] if joined else ""
        words = line.lstrip()  # the text of a list is indented
        at_break = last[-1:] + words[:1]
        is_text = not is_code and words and last and not words.startswith(MARKUP)
        if is_text and not last.startswith(("#", ":", "|", "---", "```")) and WIDE.search(at_break):
            joined[-1] = last + words
        else:
            joined.append(line)
        is_code ^= line.startswith("```")
    return "\n".join(joined)


def join_lines(app: Sphinx, name: str, content: list[str]) -> None:
    """Join the lines of a Japanese page."""
    if app.config.language == "ja":
        content[0] = join(content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", join_lines)
    return {"parallel_read_safe": True}
