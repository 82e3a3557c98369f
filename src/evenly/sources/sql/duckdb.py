"""DuckDB: a table or a query of a database file, opened for reading only."""

from collections.abc import Iterator
from typing import Any

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.frames import open_frame
from evenly.sources.reading import reading
from evenly.sources.sql.names import failed, found_table, selection
from evenly.sources.sql.url import Asked
from evenly.sources.tables import Piece

_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_catalog = current_database() ORDER BY ALL
"""


def open_table(asked: Asked) -> "DuckdbTable":
    """Return what was asked for as a table."""
    duckdb = extras.require("duckdb", extra="sql", feature="Reading a DuckDB database")
    with reading(asked.place, failed, failed):
        connection = duckdb.connect(asked.target, read_only=True)
        rows = None
        query = asked.query
        if asked.table:
            known = connection.execute(_TABLES).fetchall()
            table = found_table(asked.table, known, asked.place)
            query = selection((), table)
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        relation = connection.sql(query)
        if relation is None:
            raise SourceError(
                f"A query must give rows. Received: {asked.place}, which gives none. Use SELECT."
            )
        return DuckdbTable(connection, open_frame(relation, asked.place), rows)


class DuckdbTable:
    """A relation of a connection of our own; it is closed when everything has been read."""

    def __init__(self, connection: Any, table: Any, rows: int | None) -> None:
        self._connection = connection
        self._table = table
        self.place = table.place
        self.fields = table.fields
        self.rows = rows
        self.nbytes: int | None = None

    def pieces(self, names: tuple[str, ...]) -> Iterator[Piece]:
        """Yield the rows as the query runs."""
        with reading(self.place, failed, failed), self._connection:
            yield from self._table.pieces(names)
