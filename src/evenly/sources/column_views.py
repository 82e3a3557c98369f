"""Pass columns to the core as views, without an object of Python for each where possible."""

from collections.abc import Sequence

from evenly import _core
from evenly.block import Column, ColumnViews
from evenly.sources.native_arrays import to_native


def view_columns(columns: Sequence[Column], rows: int) -> ColumnViews:
    """Return columns of equal length for the core."""
    result = ColumnViews(_core.Columns(len(columns), rows), {}, {})
    for index, column in enumerate(columns):
        set_column(result, index, column)
    return result


def set_column(columns: ColumnViews, index: int, column: Column) -> None:
    """Set one of the columns for the core, with its unit of time and its rounded integers."""
    columns.views.set(index, to_native(column.values), column.validity, column.bit_offset)
    if column.dtype:
        columns.times[index] = column.dtype
    if column.wide is not None:
        columns.wide[index] = column.wide
