"""Columns of DuckDB with values that it exports to Arrow as other values."""

from evenly.sources.sql.identifiers import quote_identifier

_LIMIT = 2**127
_INFINITE = ("TIMESTAMP", "DATE")
"""The beginnings of the types that have infinite values."""
_AS_TEXT = ("TIME WITH TIME ZONE", "BIT", "BIGNUM", "VARINT")
"""Types that DuckDB exports without their offset, or as its own bytes. They are read as text."""


def is_read_as_text(kind: str) -> bool:
    """Return whether a column of a type that Arrow does not have is read as text."""
    return kind in _AS_TEXT


def expressible(name: str, kind: str) -> str:
    """Return the expression for a column, which fails where Arrow does not have its value.

    DuckDB exports a UHUGEINT of 2**127 or more as a negative number, and an infinite time as the
    last or first one.

    Parameters
    ----------
    name
        The column.
    kind
        Its type.

    >>> expressible("a", "DOUBLE")
    '"a"'
    >>> expressible("a", "DATE").partition(" ELSE ")[0]
    'CASE WHEN isfinite("a") OR "a" IS NULL THEN "a"'
    """
    column = quote_identifier(name)
    if is_read_as_text(kind):
        return f"CAST({column} AS VARCHAR) AS {column}"
    if kind == "UHUGEINT":
        rule = f"{column} < {_LIMIT}::UHUGEINT"
        message = (
            f"column {name!r} has an integer of 2**127 or more, which DuckDB cannot export. Select "
            f"CAST({column} AS DOUBLE) AS {column}"
        )
    elif kind.startswith(_INFINITE):
        rule = f"isfinite({column})"
        message = (
            f"column {name!r} has an infinite time, which Arrow does not have. Select CASE WHEN "
            f"isfinite({column}) THEN {column} END AS {column}, which makes it missing"
        )
    else:
        return column
    text = message.replace("'", "''")
    return (
        f"CASE WHEN {rule} OR {column} IS NULL THEN {column} ELSE error('{text}') END AS {column}"
    )
