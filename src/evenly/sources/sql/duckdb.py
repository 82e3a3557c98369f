"""Read a table or a query of a DuckDB database file, which is opened read-only."""

import os
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.frames import relation_reader, relation_table
from evenly.sources.read_errors import decode_errors
from evenly.sources.sql.identifiers import find_table, query_error, quote_identifier, select_query
from evenly.sources.sql.url import DatabaseTarget
from evenly.sources.tables import ColumnBatch

if TYPE_CHECKING:
    import duckdb


ALLOW_VARIABLE = "EVENLY_ALLOW_EXTERNAL_ACCESS"
"""Environment variable: 1 allows queries and views to access data outside the database."""

_NO_EXTENSIONS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
_LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")
"""Disable other files, the network and extensions, and lock that configuration."""

_DENIED = re.compile("disabled (by|through) configuration|exists in the .* extension")

_ATTACHED = "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL"

_QUERIES = ("SELECT", "MULTI", "MULTI_STATEMENT")
"""Types of statements that return rows; PIVOT consists of several statements."""

_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_catalog = current_database() ORDER BY ALL
"""


def open_table(target: DatabaseTarget) -> "DuckdbTable":
    """Open the table or query of a target."""
    duckdb = extras.require("duckdb", extra="sql", feature="Reading a DuckDB database")
    with decode_errors(target.label, _query_error, _query_error):
        connection = _connection(duckdb, target.target)
        rows = None
        query = target.query
        if target.table:
            known = connection.execute(_TABLES).fetchall()
            name = find_table(target.table, known, target.label)
            query = select_query((), name)
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
        _check_one_query(connection, query, target.label)
        relation = connection.sql(query)
        if relation is None:
            raise SourceError(
                f"A query must return rows. Received: {target.label}, which returns none. "
                "Use SELECT."
            )
        return DuckdbTable(connection, relation, rows, target.label)


def _connection(duckdb: ModuleType, path: str) -> "duckdb.DuckDBPyConnection":
    """Return a read-only connection that can access only its database.

    The database is attached to an empty one, because this process may have opened it with other
    settings, and DuckDB does not allow both.
    """
    locked = os.environ.get(ALLOW_VARIABLE) != "1"
    connection = duckdb.connect(":memory:", config=_NO_EXTENSIONS if locked else {})
    name = " AS memory_db" if os.path.basename(path).split(".")[0] == "memory" else ""
    literal = path.replace("'", "''")
    connection.execute(f"ATTACH '{literal}'{name} (READ_ONLY, TYPE duckdb)")
    ((attached,),) = connection.execute(_ATTACHED).fetchall()
    connection.execute(f"USE {quote_identifier(attached)}")
    for setting in _LOCK if locked else ():
        connection.execute(setting)
    return connection


def _check_one_query(connection: "duckdb.DuckDBPyConnection", query: str, label: str) -> None:
    """Reject anything but a single query that returns rows, such as COPY, ATTACH and SET."""
    types = [statement.type.name for statement in connection.extract_statements(query)]
    if len(types) != 1 or types[0] not in _QUERIES:
        received = " and ".join(types) or "none"
        raise query_error(
            label, f"it must be one statement that reads, such as SELECT, but is {received}"
        )


class DuckdbTable:
    """A relation with its own connection, which is closed after all rows have been read."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        relation: "duckdb.DuckDBPyRelation",
        rows: int | None,
        label: str,
    ) -> None:
        self._connection = connection
        self._relation = relation
        self._table = relation_table(relation, label, _query_error)
        self.label = label
        self.fields = self._table.fields
        self.rows = rows
        self.nbytes: int | None = None

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the rows while the query runs."""
        with decode_errors(self.label, _query_error, _query_error), self._connection:
            yield from self._table.column_batches(names, keys)

    def batches(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield columns as PyArrow record batches while the query runs."""
        pyarrow = extras.require("pyarrow", extra="sql", feature="Reading a DuckDB database")
        with decode_errors(self.label, _query_error, _query_error), self._connection:
            yield from pyarrow.RecordBatchReader.from_stream(relation_reader(self._relation, names))


def _query_error(label: str, error: object) -> SourceError:
    """Return the error for a failed query, with advice if access outside was denied."""
    result = query_error(label, error)
    if _DENIED.search(str(error)) is None:
        return result
    return SourceError(
        f"{result} Only the database itself is read. If you trust the query and the views that "
        "it reads to access other files and the network, set "
        f"{ALLOW_VARIABLE}=1 in the environment."
    )
