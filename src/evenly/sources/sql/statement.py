"""The text of a query: where it ends."""

import re

_TOKEN = re.compile(
    r"""
    (?P<nothing> \s+ | ; | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | \b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
    | '(?:[^']|'')*(?:'|\Z)
    | "[^"]*(?:"|\Z)
    | `[^`]*(?:`|\Z)
    | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
    | \w+
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
"""A comment, a space or a semicolon; or a string, a name or another character."""


def without_end(query: str) -> str:
    """Return a query without the comments, spaces and semicolons at its end.

    It only serves to make the query a part of another one; that it is one statement, and a whole
    one, is for the database to say.

    >>> without_end("SELECT '--;' AS a; -- all of it")
    "SELECT '--;' AS a"
    """
    end = 0
    for token in _TOKEN.finditer(query):
        if token["nothing"] is None:
            end = token.end()
    return query[:end]
