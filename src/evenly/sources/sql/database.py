"""Open the table or query that a database URL names."""

from typing import Any

from evenly.sources.sql import adbc, duckdb
from evenly.sources.sql.url import parse


def open_database(url: str) -> Any:
    """Return the table or query as a `Table`."""
    target = parse(url)
    return duckdb.open_table(target) if target.scheme == "duckdb" else adbc.open_table(target)
