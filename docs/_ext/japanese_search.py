"""Search in Japanese: pairs of characters, in the index and in the query alike.

Sphinx splits pages into words, but not the query: a compound such as 標準偏差 would not be found.
"""

import re

from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

PARTS = re.compile(r"[\u3005\u3041-\u30ff\u4e00-\u9fff]+|[a-z0-9_]+")


def split(text: str) -> list[str]:
    """Return the Latin words, and each pair of neighboring Japanese characters."""
    terms = []
    for part in PARTS.findall(text.lower()):
        is_word = part.isascii() or len(part) == 1
        terms += [part] if is_word else [part[i : i + 2] for i in range(len(part) - 1)]
    return terms


class SearchJapanesePairs(SearchLanguage):
    """The search index of the Japanese site."""

    lang = "ja"
    language_name = "Japanese"
    js_stemmer_code = "class Stemmer { stemWord(word) { return word; } }"
    js_splitter_code = r"""
var splitQuery = (query) => {
  const parts = query.toLowerCase().match(/[\u3005\u3041-\u30ff\u4e00-\u9fff]+|[a-z0-9_]+/g) ?? [];
  return parts.flatMap((part) =>
    /^[\x00-\x7f]*$/.test(part) || part.length === 1
      ? [part]
      : Array.from({ length: part.length - 1 }, (_, index) => part.slice(index, index + 2)),
  );
};
"""

    def split(self, input: str) -> list[str]:
        """Split a page into the terms that can be found."""
        return split(input)

    def stem(self, word: str) -> str:
        """Return the term unchanged."""
        return word


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the language with Sphinx."""
    app.add_search_language(SearchJapanesePairs)
    return {"parallel_read_safe": True}
