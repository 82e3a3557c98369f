"""Find the end of a SQL query."""

import re

_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | ; | --[^\n]* | /\*.*?(?:\*/|\Z) )
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
"""A token: a comment, spaces or a semicolon; or a string, a name or another character."""


def strip_end(query: str) -> str:
    """Remove comments, spaces and semicolons at the end of a query.

    This allows using the query as a subquery. The database checks that it is a single, complete
    statement.

    >>> strip_end("SELECT '--;' AS a; -- all of it")
    "SELECT '--;' AS a"
    """
    end = 0
    for token in _TOKEN.finditer(query):
        if token["blank"] is None:
            end = token.end()
    return query[:end]
