"""Read SQLite and PostgreSQL as Arrow data with their ADBC drivers."""

import contextlib
import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from evenly import extras
from evenly.errors import DataError, SourceError
from evenly.printable import printable
from evenly.sources.arrow_input import open_arrow_stream, schema_of
from evenly.sources.arrow_schema import fields_of
from evenly.sources.frames import stream_column_batches
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors
from evenly.sources.sql.identifiers import find_table, query_error, quote_identifier, select_query
from evenly.sources.sql.postgresql_types import expressible, is_unknown, types_query
from evenly.sources.sql.sqlite_integers import integer_expressions, mixed_columns, split_batch
from evenly.sources.sql.sqlite_types import (
    BATCH_ROWS,
    exact_text,
    literals,
    search_query,
    text_columns,
    typed_row,
    uncertain_columns,
    widest_types,
)
from evenly.sources.sql.url import DatabaseTarget
from evenly.sources.tables import ColumnBatch

if TYPE_CHECKING:
    import pyarrow
    from adbc_driver_manager import dbapi as adbc_dbapi


_log = logging.getLogger("evenly")

_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")


def open_table(target: DatabaseTarget) -> "AdbcTable":
    """Open the table or query of a target."""
    dbapi = extras.require(
        f"adbc_driver_{target.scheme}.dbapi", extra="sql", feature=f"Reading {target.scheme}"
    )
    extras.require("pyarrow", extra="sql", feature=f"Reading {target.scheme}")
    with _query_errors(target):
        return AdbcTable(dbapi, target)


class AdbcTable:
    """A table or a query, with its own connection."""

    def __init__(self, dbapi: Any, target: DatabaseTarget) -> None:
        self._dbapi = dbapi
        self._target = target
        self._connection = dbapi.connect(_connection_uri(target))  # never committed
        self.label = target.label
        self.rows: int | None = None
        self.nbytes: int | None = None
        if target.scheme == "postgresql":
            self._forbid_writing()
        if target.table:
            self._source = find_table(target.table, _tables(self._connection), self.label)
        else:
            self._check_one_statement()
            self._source = f"(\n{target.query}\n) AS q"
        self._typed_row: dict[str, str] = {}
        self._mixed: list[str] = []
        self._expressions: dict[str, str] = {}
        schema = self._sqlite_schema() if target.scheme == "sqlite" else self._server_schema()
        self.fields = fields_of(schema_of(schema, self.label, SourceError), self.label, SourceError)

    def _server_schema(self) -> "pyarrow.Schema":
        """Return the Arrow schema, which a server knows without reading rows."""
        schema = self._empty_schema(())
        if not schema.names:
            return schema
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.execute(types_query(schema.names, self._source))
            types = dict(zip(schema.names, cursor.fetchone(), strict=True))
        for name, kind in types.items():
            unknown = is_unknown(schema.field(name).type, kind)
            if expression := expressible(name, kind, unknown=unknown):
                self._expressions[name] = expression
        return self._empty_schema(map(self._expression, schema.names))

    def _empty_schema(self, expressions: Iterable[str]) -> "pyarrow.Schema":
        with self._execute(f"{select_query((), self._source, expressions)} LIMIT 0") as reader:
            return reader.schema

    def _expression(self, name: str) -> str:
        """Return the expression that reads a column."""
        return self._expressions.get(name) or quote_identifier(name)

    def _sqlite_schema(self) -> "pyarrow.Schema":
        """Return the Arrow schema, and record the columns that may hold both integers and reals."""
        schema = self._sqlite_types()
        self._expressions = {name: exact_text(name) for name in text_columns(schema)}
        self._mixed = mixed_columns(schema, self._declared_types())
        return schema

    def _declared_types(self) -> dict[str, str]:
        """Return the types of the columns as declared; a query has none."""
        if not self._target.table:
            return {}
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            query = "SELECT name, type FROM pragma_table_xinfo(?)"
            cursor.execute(query, (self._target.table,))
            return dict(cursor.fetchall())

    def _sqlite_types(self) -> "pyarrow.Schema":
        """Return the Arrow schema, searching all rows for types that the first ones lack."""
        with self._execute(select_query((), self._source)) as reader:
            schema = reader.schema
            first = next(iter(reader), None)
        names = uncertain_columns(schema, 0 if first is None else first.num_rows)
        if not names:
            return schema
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.execute(search_query(names, self._source))
            types = widest_types(names, cursor.fetchone())
        if not types:
            return schema
        self._typed_row = typed_row(schema, types)
        first = literals(self._typed_row, schema.names)
        with self._execute(f"SELECT {', '.join(first)}") as reader:
            return reader.schema

    def _forbid_writing(self) -> None:
        """Make the server reject writes, in this transaction and in later ones."""
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET default_transaction_read_only = on")

    def _check_one_statement(self) -> None:
        """Make the database parse the query on its own before it is used as a subquery.

        Otherwise a query such as ``SELECT 1) AS q; DROP TABLE t --`` would close the parenthesis.
        """
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            cursor.adbc_prepare(self._target.query)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the rows while the query runs; one batch is read ahead."""
        wanted = (*names, *keys)
        with contextlib.closing(self._split_batches(wanted, exact=wanted)) as batches:
            for batch in batches:
                stream = open_arrow_stream(batch, self.label, SourceError)
                yield from stream_column_batches(stream, names, self.label, SourceError, keys)

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        """Yield columns as PyArrow record batches while the query runs."""
        return self._split_batches(names, exact=())

    def batches_to_scale(self, dtypes: Mapping[str, str], keys: Collection[str]) -> Generator[Any]:
        """Yield record batches of all columns; see `ScalableTable`.

        Raises
        ------
        DataError
            If float64 rounds an integer in a column of keys.
        """
        names = [field.name for field in self.fields]
        return self._split_batches(names, exact=dtypes, keys=keys)

    def _split_batches(
        self, names: Sequence[str], exact: Collection[str], keys: Collection[str] = ()
    ) -> Generator[Any]:
        """Yield record batches, split where integers need another type in columns to be exact.

        Other columns are copied as float64, and a warning names those that this rounds.
        """
        mixed = [name for name in self._mixed if name in names and name in exact]
        copied = [name for name in self._mixed if name in names and name not in exact]
        reported: set[str] = set()
        with contextlib.closing(
            self._read(names, integer_expressions([*mixed, *copied]))
        ) as batches:
            for batch in batches:
                width = len(names) + len(mixed)
                for name, integers in zip(copied, batch.columns[width:], strict=True):
                    if integers.null_count < len(integers) and name not in reported:
                        reported.add(name)
                        self._report_rounded(name, name in keys)
                yield from split_batch(batch.select(range(width)), mixed)

    def _report_rounded(self, name: str, is_key: bool) -> None:
        """Warn that a column is copied as float64; for a key, raise an error.

        Raises
        ------
        DataError
            If the column has group keys.
        """
        column = quote_identifier(name)
        advice = f"query=SELECT ..., CAST({column} AS TEXT) AS {column} FROM ..."
        what = f"column {name!r} of {self.label}, with integers beyond 2**53 beside reals"
        if is_key:
            raise DataError(
                "Group keys must be exact, and SQLite's driver reads integers beside reals as "
                f"float64. Received: {what}. Read them as text: {advice}"
            )
        _log.warning(
            "%s, is copied as the nearest float64. To keep all digits, read it as text: %s",
            printable(f"C{what[1:]}"),
            printable(advice),
        )

    def _read(self, names: Sequence[str], expressions: Sequence[str]) -> Generator[Any]:
        """Yield record batches of columns, and of expressions that are integers."""
        query = select_query((), self._source, [*map(self._expression, names), *expressions])
        if self._typed_row:
            first = [*literals(self._typed_row, names), *("0" for _ in expressions)]
            query = f"SELECT {', '.join(first)} UNION ALL {query}"
        with (
            _query_errors(self._target),
            _closed_quietly(self._connection, self._dbapi),
            self._execute(query) as reader,
            contextlib.closing(read_ahead(iter(reader))) as batches,
        ):
            skipped = 1 if self._typed_row else 0
            for batch in batches:
                yield batch.slice(skipped)
                skipped = 0

    @contextlib.contextmanager
    def _execute(self, query: str) -> Iterator[Any]:
        """Run a query. The SQLite driver infers column types from the rows of a batch."""
        with _closed_quietly(self._connection.cursor(), self._dbapi) as cursor:
            if self._target.scheme == "sqlite":
                rows = {"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)}
                cursor.adbc_statement.set_options(**rows)
            cursor.execute(query)
            with cursor.fetch_record_batch() as reader:
                yield reader

    def __del__(self) -> None:
        """Close a connection that was not read to its end, without a ResourceWarning."""
        if hasattr(self, "_connection"):
            with _closed_quietly(self._connection, self._dbapi):
                pass


@contextlib.contextmanager
def _closed_quietly(x: Any, dbapi: Any) -> Iterator[Any]:
    """Close a connection or a cursor at the end, and ignore errors of closing it."""
    try:
        yield x
    finally:
        with contextlib.suppress(dbapi.Error):
            x.close()


def _connection_uri(target: DatabaseTarget) -> str:
    return f"file:{quote(target.target)}?mode=ro" if target.scheme == "sqlite" else target.target


def _tables(connection: "adbc_dbapi.Connection") -> list[tuple[str, str]]:
    """Return the schema and name of each table and view."""
    catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    return [
        (schema["db_schema_name"] or "", table["table_name"])
        for catalog in catalogs
        for schema in catalog["catalog_db_schemas"] or ()
        if schema["db_schema_name"] not in _SYSTEM
        for table in schema["db_schema_tables"] or ()
    ]


def _query_errors(target: DatabaseTarget) -> contextlib.AbstractContextManager[None]:
    """Convert exceptions of the driver and of Arrow to errors that name the database."""
    return decode_errors(target.label, query_error, query_error, url=target.target)
