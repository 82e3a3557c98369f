"""Read a table or a query of a database as Arrow data, never as Python rows."""

from typing import Any

from evenly.sources.sql import adbc, duckdb
from evenly.sources.sql.url import is_database, parse

__all__ = ["is_database", "open_database"]


def open_database(url: str) -> Any:
    """Return the table or query that a database URL names as a `Table`."""
    target = parse(url)
    return duckdb.open_table(target) if target.scheme == "duckdb" else adbc.open_table(target)
