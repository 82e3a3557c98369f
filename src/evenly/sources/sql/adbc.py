"""SQLite and PostgreSQL, by their ADBC drivers: their rows come as Arrow data."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.arrow import fields_of
from evenly.sources.arrow_input import open_stream, schema_of
from evenly.sources.frames import stream_column_batches
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors
from evenly.sources.sql.identifiers import found_table, query_error, selection
from evenly.sources.sql.url import DatabaseTarget
from evenly.sources.tables import ColumnBatch

_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")
_ROWS = "65536"


def open_table(asked: DatabaseTarget) -> "AdbcTable":
    """Return what was asked for as a table."""
    dbapi = extras.require(
        f"adbc_driver_{asked.scheme}.dbapi", extra="sql", feature=f"Reading {asked.scheme}"
    )
    extras.require("pyarrow", extra="sql", feature=f"Reading {asked.scheme}")
    with _running(asked):
        return AdbcTable(dbapi, asked)


class AdbcTable:
    """A table or a query of a connection of our own."""

    def __init__(self, dbapi: Any, asked: DatabaseTarget) -> None:
        self._dbapi = dbapi
        self._asked = asked
        self._connection = dbapi.connect(_target(asked))  # commits nothing
        self.label = asked.label
        self.rows: int | None = None
        self.nbytes: int | None = None
        if asked.scheme == "postgresql":
            self._forbid_writing()
        if asked.table:
            self._source = found_table(asked.table, _tables(self._connection), self.label)
        else:
            self._check_one_statement()
            self._source = f"(\n{asked.query}\n) AS q"
        # A server knows the types before it has any row; SQLite by the rows alone.
        limit = "" if asked.scheme == "sqlite" else " LIMIT 0"
        with self._reader((), limit) as reader:
            self.fields = fields_of(
                schema_of(reader.schema, self.label, SourceError), self.label, SourceError
            )

    def _forbid_writing(self) -> None:
        """Let the server refuse what writes: in this transaction, and in any other one."""
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET default_transaction_read_only = on")

    def _check_one_statement(self) -> None:
        """Let the database parse the query by itself, so that it is a part when it is put in one.

        Otherwise one such as ``SELECT 1) AS q; DROP TABLE t --`` would close our parenthesis.
        """
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.adbc_prepare(self._asked.query)

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the rows as the query runs, one batch ahead."""
        with (
            _running(self._asked),
            _closed_quietly(self._connection, self._dbapi),
            self._reader(names) as reader,
            contextlib.closing(read_ahead(iter(reader))) as batches,
        ):
            for batch in batches:
                stream = open_stream(batch, self.label, SourceError)
                yield from stream_column_batches(stream, names, self.label, SourceError)

    @contextlib.contextmanager
    def _reader(self, names: tuple[str, ...], limit: str = "") -> Iterator[Any]:
        """Run the query. SQLite's driver knows a column's type by the rows of a batch."""
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            if self._asked.scheme == "sqlite":
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": _ROWS})
            cursor.execute(selection(names, self._source) + limit)
            with cursor.fetch_record_batch() as reader:
                yield reader

    def __del__(self) -> None:
        """Close what was dropped unread: that is nothing to be warned of."""
        if hasattr(self, "_connection"):
            with _closed_quietly(self._connection, self._dbapi):
                pass


@contextlib.contextmanager
def _closed_quietly(x: Any, dbapi: Any) -> Iterator[Any]:
    """Close a connection or a cursor at the end; that it fails is no news after a failure."""
    try:
        yield x
    finally:
        with contextlib.suppress(dbapi.Error):
            x.close()


def _target(asked: DatabaseTarget) -> str:
    return f"file:{quote(asked.target)}?mode=ro" if asked.scheme == "sqlite" else asked.target


def _tables(connection: Any) -> list[tuple[str, str]]:
    """Return schema and name of each table and view."""
    catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    return [
        (schema["db_schema_name"] or "", table["table_name"])
        for catalog in catalogs
        for schema in catalog["catalog_db_schemas"] or ()
        if schema["db_schema_name"] not in _SYSTEM
        for table in schema["db_schema_tables"] or ()
    ]


def _running(asked: DatabaseTarget) -> contextlib.AbstractContextManager[None]:
    """Turn the errors of a driver and of Arrow into one that names the label."""
    return decode_errors(asked.label, query_error, query_error, url=asked.target)
