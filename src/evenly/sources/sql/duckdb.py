"""DuckDB: a table or a query of a database file, opened for reading only."""

import os
import re
from collections.abc import Iterator
from typing import Any

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.frames import open_frame
from evenly.sources.read_errors import decode_errors
from evenly.sources.sql.identifiers import found_table, query_error, quoted, selection
from evenly.sources.sql.url import DatabaseTarget
from evenly.sources.tables import ColumnBatch

ALLOWED = "EVENLY_ALLOW_EXTERNAL_ACCESS"
"""The environment variable that lets queries and views reach beyond the database, if it is 1."""

_NO_EXTENSIONS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
_LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")
"""No other file, no network, no extension; and no query can change that."""

_DENIED = re.compile("disabled (by|through) configuration|exists in the .* extension")

_ATTACHED = "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL"

_QUERIES = ("SELECT", "MULTI", "MULTI_STATEMENT")
"""Types of statements that give rows; PIVOT is one of several parts."""

_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_catalog = current_database() ORDER BY ALL
"""


def open_table(asked: DatabaseTarget) -> "DuckdbTable":
    """Return what was asked for as a table."""
    duckdb = extras.require("duckdb", extra="sql", feature="Reading a DuckDB database")
    with decode_errors(asked.label, _query_error, _query_error):
        connection = _connection(duckdb, asked.target)
        rows = None
        query = asked.query
        if asked.table:
            known = connection.execute(_TABLES).fetchall()
            table = found_table(asked.table, known, asked.label)
            query = selection((), table)
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        _check_one_query(connection, query, asked.label)
        relation = connection.sql(query)
        if relation is None:
            raise SourceError(
                f"A query must give rows. Received: {asked.label}, which gives none. Use SELECT."
            )
        frame: Any = open_frame(relation, asked.label)
        frame.refusal = _query_error
        return DuckdbTable(connection, frame, rows)


def _connection(duckdb: Any, path: str) -> Any:
    """Return a connection that can write nothing, and that reaches nothing but its database.

    It is attached to an empty database, because this process may have opened it with other
    settings, which DuckDB refuses to mix.
    """
    locked = os.environ.get(ALLOWED) != "1"
    connection = duckdb.connect(":memory:", config=_NO_EXTENSIONS if locked else {})
    name = " AS memory_db" if os.path.basename(path).split(".")[0] == "memory" else ""
    literal = path.replace("'", "''")
    connection.execute(f"ATTACH '{literal}'{name} (READ_ONLY, TYPE duckdb)")
    ((attached,),) = connection.execute(_ATTACHED).fetchall()
    connection.execute(f"USE {quoted(attached)}")
    for setting in _LOCK if locked else ():
        connection.execute(setting)
    return connection


def _check_one_query(connection: Any, query: str, label: str) -> None:
    """Refuse what is not one query that gives rows, such as COPY, ATTACH and SET."""
    kinds = [statement.type.name for statement in connection.extract_statements(query)]
    if len(kinds) != 1 or kinds[0] not in _QUERIES:
        found = " and ".join(kinds) or "none"
        raise query_error(
            label, f"it must be one statement that reads, such as SELECT, and is {found}"
        )


class DuckdbTable:
    """A relation of a connection of our own; it is closed when everything has been read."""

    def __init__(self, connection: Any, table: Any, rows: int | None) -> None:
        self._connection = connection
        self._table = table
        self.label = table.label
        self.fields = table.fields
        self.rows = rows
        self.nbytes: int | None = None

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the rows as the query runs."""
        with decode_errors(self.label, _query_error, _query_error), self._connection:
            yield from self._table.column_batches(names)


def _query_error(label: str, error: object) -> SourceError:
    """Return the error, with what to do where access beyond the database was refused."""
    refusal = query_error(label, error)
    if _DENIED.search(str(error)) is None:
        return refusal
    return SourceError(
        f"{refusal} Only the database itself is read. If you trust the query, and the views that "
        f"it reads, to reach other files and the network, set {ALLOWED}=1 in the environment."
    )
