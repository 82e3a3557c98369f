"""Pass columns to the core as views, without an object of Python for each where possible."""

from collections.abc import Sequence

from evenly import _core
from evenly.block import Column, ColumnViews
from evenly.sources.native_arrays import to_native


def view_columns(columns: Sequence[Column], rows: int) -> ColumnViews:
    """Return columns of equal length for the core."""
    views, times = _core.Columns(len(columns), rows), dict[int, str]()
    for index, column in enumerate(columns):
        set_column(views, times, index, column)
    return ColumnViews(views, times)


def set_column(views: _core.Columns, times: dict[int, str], index: int, column: Column) -> None:
    """Set one of the columns of the core, and its unit if it is a time."""
    views.set(index, to_native(column.values), column.validity, column.bit_offset)
    if column.dtype:
        times[index] = column.dtype
