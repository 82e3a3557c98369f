"""Find the types of SQLite columns, which each value may have on its own.

The ADBC driver infers the type of a column from the first batch: NULL and integers give int64, and
a later decimal fails. Columns that begin so are searched for other types, in one pass, and a row
of typed literals before the first row tells the driver the type.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from evenly import extras
from evenly.sources.sql.identifiers import quote_identifier

if TYPE_CHECKING:
    import pyarrow


BATCH_ROWS = 65_536
"""Rows from which the driver infers types."""

_LITERALS = {"integer": "0", "real": "0.0", "text": "''", "blob": "x''"}


def uncertain_columns(schema: "pyarrow.Schema", first_rows: int) -> list[str]:
    """Return the columns that may have other types after the first batch."""
    pyarrow = extras.require("pyarrow", extra="sql", feature="Reading SQLite")
    if first_rows < BATCH_ROWS:
        return []
    return [field.name for field in schema if field.type == pyarrow.int64()]


def search_query(names: Sequence[str], source: str) -> str:
    """Return a query for the widest type of each column, as `widest_type` reads it."""
    checks = [
        f"max(typeof({column}) = 'real'), typeof(max({column}))"
        for column in map(quote_identifier, names)
    ]
    return f"SELECT {', '.join(checks)} FROM {source}"


def widest_types(names: Sequence[str], row: Sequence[object]) -> dict[str, str]:
    """Return the widest type of each column from the result of `search_query`.

    SQLite orders numbers before text, and text before blobs.

    >>> widest_types(["a", "b", "c"], [0, "integer", 1, "integer", 1, "text"])
    {'b': 'real', 'c': 'text'}
    """
    types = {}
    for name, has_real, largest in zip(names, row[::2], row[1::2], strict=True):
        if largest in ("text", "blob"):
            types[name] = largest
        elif has_real:
            types[name] = "real"
    return types


def text_columns(schema: "pyarrow.Schema") -> list[str]:
    """Return the columns of text, which may also have numbers."""
    pyarrow = extras.require("pyarrow", extra="sql", feature="Reading SQLite")
    return [field.name for field in schema if field.type == pyarrow.string()]


def exact_text(name: str) -> str:
    """Return the expression for a column of text, whose reals keep all their digits.

    The driver writes reals with seven digits, which would make one group key of several. SQLite
    writes fifteen, and seventeen identify every real.
    """
    column = quote_identifier(name)
    return (
        f"CASE WHEN typeof({column}) <> 'real' THEN {column} "
        f"WHEN CAST(CAST({column} AS TEXT) AS REAL) = {column} THEN CAST({column} AS TEXT) "
        f"ELSE printf('%!.17g', {column}) END AS {column}"
    )


def typed_row(schema: "pyarrow.Schema", types: dict[str, str]) -> dict[str, str]:
    """Return a literal of the type of each column, for a row before the first one."""
    pyarrow = extras.require("pyarrow", extra="sql", feature="Reading SQLite")
    names = {
        pyarrow.int64(): "integer",
        pyarrow.float64(): "real",
        pyarrow.string(): "text",
        pyarrow.binary(): "blob",
    }
    return {
        field.name: _LITERALS[types.get(field.name) or names.get(field.type, "blob")]
        for field in schema
    }


def literals(row: dict[str, str], names: Iterable[str]) -> list[str]:
    """Return the columns of a typed row for a SELECT.

    >>> literals({"a": "0.0", "b": "0"}, ["b", "a"])
    ['0 AS "b"', '0.0 AS "a"']
    """
    return [f"{row[name]} AS {quote_identifier(name)}" for name in names]
