"""Columns of PostgreSQL that its ADBC driver reads as other values.

The driver returns money in cents, unsigned oids as signed integers, infinite times as the last
or first ones, and types that it does not know as the bytes that the server sends for them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evenly.sources.sql.identifiers import quote_identifier

if TYPE_CHECKING:
    import pyarrow

_CASTS = {"money": "numeric", "oid": "bigint", "money[]": "numeric[]", "oid[]": "bigint[]"}
_TIMES = ("date", "timestamp without time zone", "timestamp with time zone")


def types_query(names: Iterable[str], source: str) -> str:
    """Return a query for the types of the columns of a table or a subquery.

    The type of a domain is the one that it is based on, which may be another domain.
    """
    types = ", ".join(
        "(WITH RECURSIVE base AS (SELECT oid, typbasetype FROM pg_type "
        f"WHERE oid = pg_typeof(q.{quote_identifier(name)}) UNION ALL "
        "SELECT t.oid, t.typbasetype FROM pg_type t JOIN base ON t.oid = base.typbasetype) "
        "SELECT oid::regtype::text FROM base WHERE typbasetype = 0)"
        for name in names
    )
    rows = f"(SELECT * FROM {source} LIMIT 0) AS q"
    return f"SELECT {types} FROM (SELECT 1) AS one LEFT JOIN {rows} ON true"


def is_unknown(arrow_type: "pyarrow.DataType", kind: str) -> bool:
    """Return whether the driver reads a type, or the elements of its arrays, as internal bytes.

    Parameters
    ----------
    arrow_type
        The type that it is read as.
    kind
        The type of PostgreSQL, as ``pg_typeof`` names it.
    """
    import pyarrow

    if pyarrow.types.is_list(arrow_type):
        arrow_type = arrow_type.value_type
    stored = getattr(arrow_type, "storage_type", arrow_type)  # of an extension type
    return pyarrow.types.is_binary(stored) and not kind.startswith("bytea")


def expressible(name: str, kind: str, *, unknown: bool = False) -> str:
    """Return the expression for a column that the driver misreads; empty for others.

    An infinite time raises an error: the conversion of a text to a time fails, and the server
    shows the text.

    Parameters
    ----------
    kind
        Its type, as ``pg_typeof`` names it.
    unknown
        Whether the driver reads it as bytes. It is read as text then.

    >>> expressible("a", "money"), expressible("a", "integer")
    ('"a"::numeric AS "a"', '')
    """
    column = quote_identifier(name)
    if kind in _CASTS:
        return f"{column}::{_CASTS[kind]} AS {column}"
    if unknown:
        return f"{column}::{'text[]' if kind.endswith('[]') else 'text'} AS {column}"
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
