"""Read columns and group keys of Arrow data by name."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evenly import _core
from evenly.block import Column, ColumnViews, GroupKeys
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sources.arrow import ReadColumn, column_error, reader_of
from evenly.sources.arrow_group_keys import factorize_arrow
from evenly.sources.arrow_input import Error
from evenly.sources.arrow_schema import column_kind, read_fields, time_kind
from evenly.sources.column_views import set_column
from evenly.sources.fields import is_selectable

if TYPE_CHECKING:
    from nanoarrow.c_array import CArray
    from nanoarrow.c_schema import CSchema


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
        schema: "CSchema",
        names: Sequence[str],
        label: str,
        error: Error = DataError,
        keys: Sequence[str] = (),
    ) -> None:
        present, formats = read_fields(schema, label, error)
        index = dict(zip(present, range(len(present)), strict=True))
        self._schema = schema
        self._names = names
        self._positions = [index[name] for name in names]
        self._times = _times([formats[position] for position in self._positions])
        self._keys = [(name, index[name]) for name in keys]
        self._label = label
        self._error = error
        self._readers: dict[int, ReadColumn] = {}  # those in use, by position

    def view(self, array: "CArray") -> ColumnViews:
        """Return the columns of a struct array; numbers and times in buffers stay there.

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
        views = _core.Columns(len(self._names), len(array))
        others = views.set_arrow(self._schema._addr(), array._addr(), self._positions, array)
        columns = ColumnViews(views, dict(self._times), {})
        for index in others:
            set_column(columns, index, self._read_column(array, index))
        return columns

    def read(self, array: object) -> tuple[Any, ...]:
        """Return the columns of a struct array: a `Column` each, or `GroupKeys` for keys.

        Raises
        ------
        UnsupportedTypeError, EvenlyError
            As in `view`.
        """
        keys = (self._read_keys(array, name, position) for name, position in self._keys)
        return (*self.view(array), *keys)

    def _read_column(self, array: "CArray", index: int) -> Column:
        position = self._positions[index]
        with self._locating(self._names[index]):
            read = self._readers.get(position)
            if read is None:
                read = self._readers[position] = reader_of(self._schema.child(position))
            column: Column = _rows_of(array, read(array.child(position)))
            return column

    def _read_keys(self, array: "CArray", name: str, position: int) -> GroupKeys:
        with self._locating(name):
            keys = factorize_arrow(self._schema.child(position), array.child(position))
            result: GroupKeys = _rows_of(array, keys)
            return result

    @contextlib.contextmanager
    def _locating(self, name: str) -> Iterator[None]:
        """Name the column in errors."""
        try:
            yield
        except (ValueError, TypeError, RuntimeError) as why:
            raise column_error(why, name, self._label, self._error) from None


def _times(formats: Sequence[str]) -> dict[int, str]:
    """Return the units of the columns of times, by their index."""
    units = {f: unit for f in set(formats) if (unit := time_kind(f)) is not None}
    return {i: units[f] for i, f in enumerate(formats) if f in units} if units else {}


def _rows_of(array: "CArray", column: "CArray") -> "CArray":
    """Return the rows of a struct array of one of its children, which may be longer."""
    start, rows = array.offset, len(array)
    if len(column) < start + rows:
        raise ValueError(f"{len(column)} values for {start + rows} rows")
    return column[start : start + rows] if start or len(column) > rows else column


def series_reader(schema: object, name: str, label: str) -> ReadColumn:
    """Return the function that reads arrays that are a single column.

    It raises DataError if the Arrow data is invalid.

    Raises
    ------
    UnsupportedTypeError
        If the column is not numeric.
    """
    kind = column_kind(schema)
    if not is_selectable(kind):
        raise UnsupportedTypeError(
            "Only columns of numbers, booleans or times can be fitted. "
            f"Received: a column of type {kind}."
        )

    def read(array: object) -> Column:
        try:
            return reader_of(schema)(array)
        except (ValueError, RuntimeError) as why:
            raise column_error(why, name, label) from None

    return read
