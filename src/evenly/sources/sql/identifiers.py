"""Look up names of tables and columns in a database, and quote them for SQL."""

from collections.abc import Iterable, Sequence

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.read_errors import reason

_DEFAULT = ("main", "public")
"""Schemas whose tables can be named without the schema."""


def quote_identifier(*names: str) -> str:
    """Return a name quoted for SQL, whatever characters it contains.

    >>> quote_identifier("main", 'a"; DROP TABLE b')
    '"main"."a""; DROP TABLE b"'
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def select_query(names: Iterable[str], source: str, more: Iterable[str] = ()) -> str:
    """Return the query for some columns of a table or a subquery, and for more expressions."""
    return f"SELECT {', '.join([*map(quote_identifier, names), *more]) or '*'} FROM {source}"


def find_table(name: str, known: Sequence[tuple[str, str]], label: str) -> str:
    """Return the quoted name of a table, which can be given with its schema.

    Raises
    ------
    ColumnError
        If there is no table with that name.
    DataError
        If several schemas have a table with that name.
    """
    matches = [pair for pair in known if name in (pair[1], ".".join(pair))]
    default = [pair for pair in matches if pair[0] in ("", *_DEFAULT)]
    if len(default or matches) == 1:
        return quote_identifier(*(default or matches)[0])
    if matches:
        raise DataError(
            "A table name must be unique. Received: "
            f"{name!r} in {label}, which may be {format_names(map('.'.join, matches))}. "
            "Name the schema."
        )
    names = [table if schema in ("", *_DEFAULT) else f"{schema}.{table}" for schema, table in known]
    raise ColumnError(
        f"table= must name a table of the database. Received: {name!r}; {label} has "
        f"{format_names(names) or 'no tables'}.{suggest(name, names)}"
    )


def query_error(label: str, error: object) -> SourceError:
    """Return the error for a database that cannot be read, or a query that fails."""
    return SourceError(
        f"A database must be readable, and its query valid. Received: {label}: {reason(error)}."
    )
