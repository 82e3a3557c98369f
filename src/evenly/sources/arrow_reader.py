"""Read columns and group keys of Arrow data by name."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from evenly.block import Column
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.arrow import Reader, column_error, column_kind, names_of, reader_of
from evenly.sources.arrow_group_keys import factorize_arrow
from evenly.sources.arrow_input import Error
from evenly.sources.selection import Field


class ColumnReader:
    """Read named columns of struct arrays with a common schema.

    Parameters
    ----------
    schema
        The Arrow schema of the table.
    names
        The columns to read, in this order.
    keys
        The columns to read as group keys, after those.
    label
        The name of the table, for messages.
    error
        The class of the error for invalid data.
    """

    def __init__(
        self,
        schema: Any,
        names: Sequence[str],
        label: str,
        error: Error = DataError,
        keys: Sequence[str] = (),
    ) -> None:
        children = list(schema.children)
        index = {name: i for i, name in enumerate(names_of(schema, label, error))}
        self._label = label
        self._error = error
        self._readers: list[tuple[str, int, Callable[[Any], Any]]] = [
            (name, index[name], self._reader(children[index[name]], name)) for name in names
        ]
        self._readers += [
            (name, index[name], partial(factorize_arrow, children[index[name]])) for name in keys
        ]

    def _reader(self, schema: Any, name: str) -> Callable[[Any], Any]:
        try:
            return reader_of(schema)
        except ValueError as why:
            raise column_error(why, name, self._label, self._error) from None

    def read(self, array: Any) -> tuple[Any, ...]:
        """Return the columns of a struct array: a `Column` each, or `GroupKeys` for keys.

        Raises
        ------
        UnsupportedTypeError
            If whole rows are null, which is possible only in nested data.
        EvenlyError
            Of the class ``error``, if the Arrow data is invalid.
        """
        if array.null_count > 0:
            raise UnsupportedTypeError(
                f"A table must not have null rows. Received: {self._label}, an Arrow "
                f"struct array with {array.null_count} null rows. Flatten it first."
            )
        start, rows = array.offset, len(array)
        columns = []
        for name, index, read in self._readers:
            try:
                column = read(array.child(index))
                check_length(column, start + rows)
            except (ValueError, TypeError, RuntimeError) as why:
                raise column_error(why, name, self._label, self._error) from None
            columns.append(column)
        if start or any(len(column) != rows for column in columns):
            return tuple(column[start : start + rows] for column in columns)
        return tuple(columns)


def check_length(column: Sequence[Any], rows: int) -> None:
    """Raise ValueError if a column is shorter than its table."""
    if len(column) < rows:
        raise ValueError(f"{len(column)} values for {rows} rows")


def series_reader(schema: Any, name: str, label: str) -> Reader:
    """Return the function that reads arrays that are a single column.

    It raises DataError if the Arrow data is invalid.

    Raises
    ------
    UnsupportedTypeError
        If the column is not numeric.
    """
    kind = column_kind(schema)
    if not Field("", kind).is_selectable:
        raise UnsupportedTypeError(
            "Only columns of numbers, booleans or times can be fitted. "
            f"Received: a column of type {kind}."
        )

    def read(array: Any) -> Column:
        try:
            return reader_of(schema)(array)
        except (ValueError, RuntimeError) as why:
            raise column_error(why, name, label) from None

    return read
