"""Refuse objects that look like a source and cannot be read as one."""

from typing import Any, NoReturn

from evenly.errors import UnsupportedTypeError
from evenly.sources.opener import SourceOpener


def refuse_collection(x: Any, label: str, _: SourceOpener) -> NoReturn:
    """Refuse a distributed collection inside of a source, since reading it would load all of it.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        "A distributed collection is fitted where it is, by itself. Received: "
        f"{label} of type {type(x).__name__}. Pass it to evenly.fit, and add up: a + b."
    )


def refuse_cursor(x: Any, _: str, __: SourceOpener) -> NoReturn:
    """Refuse a DB-API cursor, which yields Python objects.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        "The rows of a query must come as Arrow data. Received: "
        f"{type(x).__module__}.{type(x).__qualname__}, which gives Python objects. "
        "Pass a URL such as sqlite:///x.db?table=t, a cursor of an ADBC driver, DuckDB's "
        "connection.sql(query), or frames: pandas.read_sql(..., chunksize=100_000)."
    )
