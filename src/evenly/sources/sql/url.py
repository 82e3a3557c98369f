"""The URL of a database, with the table or the query that is fitted at its end."""

import os
import re
from typing import NamedTuple

from evenly.errors import SourceError, suggest
from evenly.redaction import redact_url
from evenly.sources.sql.statement import without_end

SCHEMES = ("duckdb", "sqlite", "postgresql", "postgres")
_IN_FILES = ("duckdb", "sqlite")
_LAST = re.compile(r"[?&](table|query)=(.+)$", re.DOTALL)


class DatabaseTarget(NamedTuple):
    """A database, and what of it.

    Attributes
    ----------
    scheme
        ``"duckdb"``, ``"sqlite"`` or ``"postgresql"``.
    target
        The database's file, or the URL of its server.
    table, query
        What is read; one is empty.
    label
        The URL as messages and statistics may have it: without a password.
    """

    scheme: str
    target: str
    table: str
    query: str
    label: str


def is_database(path: str) -> bool:
    """Whether a URL leads to a database.

    >>> is_database("duckdb:///flights.db?table=flights"), is_database("s3://bucket/x.csv")
    (True, False)
    """
    return path.partition("://")[0] in SCHEMES and "://" in path


def _split(url: str) -> tuple[str, str]:
    """Return what leads to the database, and the rest, which may be any SQL."""
    last = _LAST.search(url)
    return (url, "") if last is None else (url[: last.start()], url[last.start() :])


def parse(url: str) -> DatabaseTarget:
    """Return the parts of a URL. What follows ``table=`` or ``query=`` is taken to the letter.

    Of a query, comments and semicolons at its end are left out.

    Raises
    ------
    SourceError
        When it names no table and no query, or a file that is not there.

    >>> parse("postgresql://host/db?query=SELECT a & 1 FROM t").query
    'SELECT a & 1 FROM t'
    """
    scheme = url.partition("://")[0]
    scheme = "postgresql" if scheme == "postgres" else scheme
    head, last = _split(url)
    found = _LAST.search(last)
    label = redact_url(url)
    if found is None:
        raise SourceError(
            "A database's URL must end with a table or a query. "
            f"Received: {label!r}. Write {label}?table=NAME, or {label}?query=SELECT ..."
        )
    target = _file(head, label) if scheme in _IN_FILES else head
    table, query = (found[2], "") if found[1] == "table" else ("", without_end(found[2]))
    return DatabaseTarget(scheme, target, table, query, label)


def _file(head: str, label: str) -> str:
    """Return the file of a URL: three slashes and a relative path, or four and one from the root.

    That is how SQLAlchemy has it.
    """
    path = head.partition("://")[2]
    if not path.startswith("/") or "?" in path:
        raise SourceError(
            "The URL of a database in a file has three slashes, or four before a path from the "
            f"root, and no options but table= or query=. Received: {label!r}."
        )
    path = path[1:]
    if not os.path.isfile(path):
        hint = suggest(os.path.basename(path), _beside(path))
        if os.path.isfile(f"/{path}"):
            hint = " A path from the root is written with four slashes."
        raise SourceError(
            f"A database must be there. Received: {label!r}, and there is no file {path!r}.{hint}"
        )
    return path


def _beside(path: str) -> list[str]:
    try:
        return os.listdir(os.path.dirname(path) or ".")
    except OSError:
        return []
