"""Pass columns to the core as views, without an object of Python for each where possible."""

from collections.abc import Sequence

from evenly import _core
from evenly.block import Column
from evenly.sources.native_arrays import to_native


def view_columns(columns: Sequence[Column], rows: int) -> _core.Columns:
    """Return columns of equal length for the core."""
    views = _core.Columns(len(columns), rows)
    for index, column in enumerate(columns):
        set_column(views, index, column)
    return views


def set_column(views: _core.Columns, index: int, column: Column) -> None:
    """Set one of the columns of the core."""
    views.set(index, to_native(column.values), column.validity, column.bit_offset)
