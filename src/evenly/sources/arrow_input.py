"""Validate Arrow data from outside once, before its buffers are used.

The Arrow C data interface does not transmit buffer sizes, so a wrong length leads to reads out of
bounds. PyArrow knows the sizes: its data, including all data from files, networks and databases, is
validated before it is exported. The capsules of other libraries in this process, such as Polars,
cannot be validated; they are trusted to have buffers of the declared lengths.

No other module in ``sources`` imports Arrow arrays with nanoarrow.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from evenly.dispatch import is_instance
from evenly.errors import DataError, EvenlyError
from evenly.sources.read_errors import reason

if TYPE_CHECKING:
    import pyarrow
    from nanoarrow.c_array import CArray
    from nanoarrow.c_array_stream import CArrayStream
    from nanoarrow.c_schema import CSchema


Error = type[EvenlyError]
"""The class of the error for invalid data: `DataError`, or `SourceError` for a file."""


def open_arrow_stream(x: object, label: str, error: Error = DataError) -> "CArrayStream | OneArray":
    """Open an object with an Arrow capsule as a nanoarrow stream of arrays with one schema.

    Parameters
    ----------
    label
        The name of the object, for messages.
    error
        The class of the error for invalid data.

    Raises
    ------
    EvenlyError
        Of the class ``error``, if PyArrow data does not fit its buffers.
    """
    import nanoarrow

    if isinstance(x, OneArray):
        return x
    with decoding_names(label, error):
        x = validate_arrow(x, label, error)
        _check_names(_names_of(x), label, error)
        if hasattr(x, "__arrow_c_array__") and not hasattr(x, "__arrow_c_stream__"):
            return OneArray(nanoarrow.c_array(x))
        return nanoarrow.c_array_stream(x)


class OneArray:
    """A stream of one array.

    The stream of nanoarrow copies the array, and crashes the process for string views
    (nanoarrow 0.9.0, ``nanoarrow.c_array_stream(pyarrow.array(["a"], pyarrow.string_view()))``).
    """

    def __init__(self, array: "CArray") -> None:
        self._array = array

    def get_schema(self) -> "CSchema":
        """Return the schema of the array."""
        return self._array.schema

    def __iter__(self) -> "Iterator[CArray]":
        yield self._array


def open_arrow_array(x: object, label: str, error: Error = DataError) -> "CArray":
    """Open an object with an Arrow capsule as a nanoarrow array; see `open_arrow_stream`."""
    import nanoarrow

    with decoding_names(label, error):
        return nanoarrow.c_array(validate_arrow(x, label, error))


@contextlib.contextmanager
def decoding_names(label: str, error: Error) -> Iterator[None]:
    """Raise an error of the class ``error`` for a column name that is not UTF-8."""
    try:
        yield
    except UnicodeDecodeError as why:
        raise error(
            f"A column name must be UTF-8. Received: {why.object!r} in {label}. Rename it."
        ) from None


def schema_of(x: object, label: str = "", error: Error = DataError) -> "CSchema":
    """Return the nanoarrow schema of a PyArrow schema, field or type.

    Raises
    ------
    EvenlyError
        Of the class ``error``, for a name that the C data interface would truncate.
    """
    import nanoarrow

    with decoding_names(label, error):
        _check_names(_names_of(x), label, error)
    return nanoarrow.c_schema(x)


def _names_of(x: Any) -> list[str]:
    """Return the column names of a PyArrow schema or table, or of a Polars frame.

    The latter has a schema too, which takes longer.
    """
    if is_instance(x, "polars", "DataFrame"):
        return list(x.columns)
    names = getattr(getattr(x, "schema", x), "names", None)
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else []


def _check_names(names: Iterable[str], label: str, error: Error) -> None:
    """Check that no name contains U+0000, where the C data interface would truncate it."""
    for name in names:
        if "\0" in name:
            raise error(
                "A column name must not contain the character U+0000. "
                f"Received: {name!r} in {label}. Rename it."
            )


def validate_arrow(x: object, label: str, error: Error = DataError, *, full: bool = False) -> Any:
    """Validate PyArrow data, and return it; return other objects unchanged.

    Parameters
    ----------
    full
        Check every offset and index, not only the sizes of buffers. Required where PyArrow uses
        them: for lists, and for columns that are copied or written.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None:
        return x
    if isinstance(x, (pyarrow.RecordBatch, pyarrow.Table)):
        try:
            x.validate()
        except pyarrow.ArrowException as why:
            _check_columns(x, label, error)  # names the column
            raise invalid_arrow_error("", label, why, error) from None
        if full:
            _check_columns(x, label, error, full=True)
    elif isinstance(x, (pyarrow.Array, pyarrow.ChunkedArray)):
        _check(x, "", label, error, full)
    return x


def _check_columns(table: "pyarrow.Table", label: str, error: Error, full: bool = False) -> None:
    for name, column in zip(table.schema.names, table.columns, strict=True):
        _check(column, name, label, error, full)


def _check(
    column: "pyarrow.ChunkedArray | pyarrow.Array", name: str, label: str, error: Error, full: bool
) -> None:
    import pyarrow

    try:
        column.validate()
        if full:
            _as_bytes(column).validate(full=True)
    except pyarrow.ArrowException as why:
        raise invalid_arrow_error(name, label, why, error) from None


def _as_bytes(column: "pyarrow.ChunkedArray | pyarrow.Array") -> "pyarrow.Array":
    """View a column of strings as bytes: strings may contain invalid UTF-8."""
    import pyarrow

    chunks = getattr(column, "chunks", None)
    if chunks:
        return pyarrow.chunked_array([_as_bytes(chunk) for chunk in chunks])
    if pyarrow.types.is_dictionary(column.type):
        entries = _as_bytes(column.dictionary)
        return pyarrow.DictionaryArray.from_arrays(column.indices, entries, safe=False)
    bytes_types = {
        pyarrow.string(): pyarrow.binary(),
        pyarrow.large_string(): pyarrow.large_binary(),
        pyarrow.string_view(): pyarrow.binary_view(),
    }
    return column.view(bytes_types[column.type]) if column.type in bytes_types else column


def invalid_arrow_error(
    name: str, label: str, why: object, error: Error = DataError
) -> EvenlyError:
    """Return the error for invalid Arrow data."""
    column = f"column {name!r} of {label}" if name else label
    return error(
        f"Arrow data must be valid. Received: {column}: {reason(why)}. "
        "The data may be corrupt; get it again."
    )
