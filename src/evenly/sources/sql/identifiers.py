"""Names of tables and columns in SQL: looked up in what is there, and always quoted."""

from collections.abc import Iterable, Sequence

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.read_errors import reason

_DEFAULT = ("main", "public")
"""The schemas whose tables need no schema's name."""


def quoted(*names: str) -> str:
    """Return a name as SQL has it, whatever is in it.

    >>> quoted("main", 'a"; DROP TABLE b')
    '"main"."a""; DROP TABLE b"'
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def selection(names: Iterable[str], source: str) -> str:
    """Return the query for some columns of a table or of another query."""
    return f"SELECT {', '.join(map(quoted, names)) or '*'} FROM {source}"


def found_table(name: str, known: Sequence[tuple[str, str]], label: str) -> str:
    """Return the quoted name of a table, which may be written with its schema.

    Raises
    ------
    ColumnError
        When there is none of that name.
    DataError
        When several schemas have one.
    """
    found = [pair for pair in known if name in (pair[1], ".".join(pair))]
    usual = [pair for pair in found if pair[0] in ("", *_DEFAULT)]
    if len(usual or found) == 1:
        return quoted(*(usual or found)[0])
    if found:
        raise DataError(
            "A table's name must be unique. Received: "
            f"{name!r} in {label}, which may be {format_names(map('.'.join, found))}. "
            "Name the schema."
        )
    names = [table if schema in ("", *_DEFAULT) else f"{schema}.{table}" for schema, table in known]
    raise ColumnError(
        f"There must be a table of that name. Received: {name!r}; {label} has "
        f"{format_names(names) or 'no tables'}.{suggest(name, names)}"
    )


def query_error(label: str, error: object) -> SourceError:
    """Return the error for a database that cannot be read, or a query that does not run."""
    return SourceError(
        f"A database must be readable, and its query run. Received: {label}: {reason(error)}."
    )
