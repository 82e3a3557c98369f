"""Parse database URLs, which end with the table or the query to read."""

import os
import re
from typing import NamedTuple

from evenly.errors import SourceError, suggest
from evenly.redaction import redact_url
from evenly.sources.sql.statement import strip_end

SCHEMES = ("duckdb", "sqlite", "postgresql", "postgres")
_IN_FILES = ("duckdb", "sqlite")
_LAST = re.compile(r"[?&](table|query)=(.+)$", re.DOTALL)


class DatabaseTarget(NamedTuple):
    """A table or a query of a database.

    Attributes
    ----------
    scheme
        ``"duckdb"``, ``"sqlite"`` or ``"postgresql"``.
    target
        The database file, or the URL of the server.
    table, query
        The table or query to read; the other one is empty.
    label
        The URL without secrets, for messages and statistics.
    """

    scheme: str
    target: str
    table: str
    query: str
    label: str


def is_database(path: str) -> bool:
    """Return whether a path is the URL of a database.

    >>> is_database("duckdb:///flights.db?table=flights"), is_database("s3://bucket/x.csv")
    (True, False)
    """
    return path.partition("://")[0] in SCHEMES and "://" in path


_DRIVERS = {
    "snowflake": "adbc-driver-snowflake",
    "bigquery": "adbc-driver-bigquery",
    **dict.fromkeys(
        ("mysql", "mariadb", "mssql", "sqlserver", "oracle", "redshift", "trino", "clickhouse"),
        "adbc-driver-manager",
    ),
}
"""Other databases by scheme, and the Python package with or for their ADBC driver."""


def check_supported(url: str) -> None:
    """Check that a URL is not that of a database which has no URLs here.

    Raises
    ------
    SourceError
        If it is; the message names its ADBC driver.

    >>> check_supported("mysql://host/shop?table=t")
    Traceback (most recent call last):
    evenly.errors.SourceError: A database URL must be of DuckDB, SQLite or PostgreSQL. Received:
    'mysql://host/shop?table=t'. Connect with its ADBC driver (pip install adbc-driver-manager),
    and pass a cursor after cursor.execute(query).
    """
    scheme, mark, rest = url.partition("://")
    database, plus, _ = scheme.partition("+")
    if mark and plus and database in SCHEMES:
        label = redact_url(f"{database}://{rest}")
        raise SourceError(
            "A database URL must not name a Python driver. Received: "
            f"{redact_url(url)!r}. Write {label!r}."
        )
    if mark and database in _DRIVERS:
        raise SourceError(
            "A database URL must be of DuckDB, SQLite or PostgreSQL. Received: "
            f"{redact_url(url)!r}. Connect with its ADBC driver (pip install "
            f"{_DRIVERS[database]}), and pass a cursor after cursor.execute(query)."
        )


def _split(url: str) -> tuple[str, str]:
    """Split a URL before the table or the query, which may be any SQL."""
    last = _LAST.search(url)
    return (url, "") if last is None else (url[: last.start()], url[last.start() :])


def parse(url: str) -> DatabaseTarget:
    """Parse a database URL. The text after ``table=`` or ``query=`` is not decoded.

    Comments and semicolons at the end of a query are removed.

    Raises
    ------
    SourceError
        If the URL does not name a table or a query, or its file does not exist.

    >>> parse("postgresql://host/db?query=SELECT a & 1 FROM t").query
    'SELECT a & 1 FROM t'
    """
    scheme = url.partition("://")[0]
    scheme = "postgresql" if scheme == "postgres" else scheme
    head, last = _split(url)
    match = _LAST.search(last)
    label = redact_url(url)
    if match is None:
        raise SourceError(
            "A database URL must end with a table or a query. "
            f"Received: {label!r}. Write {label}?table=NAME, or {label}?query=SELECT ..."
        )
    target = _database_file(head, label) if scheme in _IN_FILES else head
    table, query = (match[2], "") if match[1] == "table" else ("", strip_end(match[2]))
    return DatabaseTarget(scheme, target, table, query, label)


def _database_file(head: str, label: str) -> str:
    """Return the file of a URL: a relative path after three slashes, an absolute one after four.

    SQLAlchemy uses the same rule.
    """
    path = head.partition("://")[2]
    if not path.startswith("/") or "?" in path:
        raise SourceError(
            "The URL of a database file must have three slashes before a relative path, or four "
            f"before an absolute path, and no options but table= or query=. Received: {label!r}."
        )
    path = path[1:]
    if not os.path.isfile(path):
        hint = suggest(os.path.basename(path), _list_folder_of(path))
        if os.path.isfile(f"/{path}"):
            hint = " Write an absolute path with four slashes."
        raise SourceError(
            f"A database must exist. Received: {label!r}, and there is no file {path!r}.{hint}"
        )
    return path


def _list_folder_of(path: str) -> list[str]:
    try:
        return os.listdir(os.path.dirname(path) or ".")
    except OSError:
        return []
