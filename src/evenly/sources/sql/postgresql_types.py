"""Columns of PostgreSQL that its ADBC driver reads as other numbers.

The driver returns money in cents, unsigned oids as signed integers, and infinite times as the last
or first ones.
"""

from collections.abc import Iterable

from evenly.sources.sql.identifiers import quote_identifier

_CASTS = {"money": "numeric", "oid": "bigint"}
_TIMES = ("date", "timestamp without time zone", "timestamp with time zone")


def types_query(names: Iterable[str], source: str) -> str:
    """Return a query for the types of the columns of a table or a subquery."""
    types = ", ".join(f"pg_typeof(q.{quote_identifier(name)})::text" for name in names)
    rows = f"(SELECT * FROM {source} LIMIT 0) AS q"
    return f"SELECT {types} FROM (SELECT 1) AS one LEFT JOIN {rows} ON true"


def expressible(name: str, kind: str) -> str:
    """Return the expression for a column that the driver misreads; empty for others.

    An infinite time raises an error: the conversion of a text to a time fails, and the server
    shows the text.

    Parameters
    ----------
    kind
        Its type, as ``pg_typeof`` names it.

    >>> expressible("a", "money"), expressible("a", "integer")
    ('"a"::numeric AS "a"', '')
    """
    column = quote_identifier(name)
    if kind in _CASTS:
        return f"{column}::{_CASTS[kind]} AS {column}"
    if kind not in _TIMES:
        return ""
    advice = (
        f"in column {name!r}, an infinite time, which Arrow does not have. Select CASE WHEN "
        f"isfinite({column}) THEN {column} END AS {column}, which makes it missing"
    ).replace("'", "''")
    return (
        f"CASE WHEN isfinite({column}) OR {column} IS NULL THEN {column} "
        f"ELSE ({column}::text || ' {advice}')::{kind} END AS {column}"
    )
