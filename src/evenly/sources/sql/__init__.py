"""Databases: a URL that names a table or a query, read as Arrow data, never as Python rows."""

from typing import Any

from evenly.sources.sql import adbc, duckdb
from evenly.sources.sql.url import is_database, parse

__all__ = ["is_database", "open_database"]


def open_database(url: str) -> Any:
    """Return what a database's URL names as a `Table`."""
    asked = parse(url)
    return duckdb.open_table(asked) if asked.scheme == "duckdb" else adbc.open_table(asked)
