"""Refuse objects that look like a source and cannot be read as one."""

from typing import NoReturn

from evenly.errors import UnsupportedTypeError
from evenly.sources.opener import SourceOpener


def refuse_collection(x: object, label: str, _: SourceOpener) -> NoReturn:
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


def refuse_class(x: type, _: str, __: SourceOpener) -> NoReturn:
    """Refuse a class instead of an instance.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        "A source must be an array, a tensor, a data frame, a path, or an iterable of these. "
        f"Received: the class {x.__module__}.{x.__qualname__}. Pass an instance of it."
    )


def refuse_aggregation(x: object, _: str, __: SourceOpener) -> NoReturn:
    """Refuse groups or windows of the rows of a table.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        "A source must be a table, without groups or windows of its rows. Received: "
        f"{type(x).__module__}.{type(x).__qualname__}. For groups, pass the table and "
        "by=['column']; for moving statistics, add and subtract moments: see evenly.Window."
    )


def refuse_statistics(x: object, _: str, __: SourceOpener) -> NoReturn:
    """Refuse moments, which are not data.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        "A source must be data, of which the statistics are computed. Received: "
        f"{type(x).__name__}, which has the statistics of other data. Add moments: a + b, or "
        "evenly.merge([a, b])."
    )


def refuse_cursor(x: object, _: str, __: SourceOpener) -> NoReturn:
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


def refuse_netcdf4(x: object, _: str, __: SourceOpener) -> NoReturn:
    """Refuse a Dataset of the netCDF4 library, whose file evenly reads itself, in blocks.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    raise UnsupportedTypeError(
        f"A NetCDF file is read by its path. Received: {type(x).__module__}."
        f"{type(x).__qualname__}. Pass dataset.filepath(), or one of its variables: dataset['t']."
    )


def refuse_bytes(x: object, _: str, __: SourceOpener) -> NoReturn:
    """Refuse an open file, or bytes, whose format is not known.

    Raises
    ------
    UnsupportedTypeError
        Always.
    """
    name = getattr(x, "name", None)
    advice = (
        f"Pass its path: evenly.fit({name!r})."
        if isinstance(name, str)
        else "Write the bytes to a file, and pass its path; or pass what another library reads "
        "from them: evenly.fit(pyarrow.parquet.read_table(file)), np.frombuffer(data, dtype)."
    )
    raise UnsupportedTypeError(
        "A source must not be an open file or bytes, whose format is not known. "
        f"Received: {type(x).__module__}.{type(x).__qualname__}. {advice}"
    )
