"""Read a column of arrays of any table, with the weights and keys of its rows."""

from collections.abc import Iterable, Iterator
from typing import Any

from evenly.errors import DataError
from evenly.sources.arrow_input import Error, open_arrow_array
from evenly.sources.arrow_reader import ColumnReader
from evenly.sources.selected_column import ArrayBatch, ArrayTable
from evenly.sources.selection import RowColumns
from evenly.sources.tables import RecordBatchTable, Table


def has_arrays(table: Table) -> bool:
    """Return whether the columns of arrays of a table can be read."""
    return isinstance(table, RecordBatchTable | ArrayTable)


def read_arrays(
    table: Table, name: str, others: RowColumns, error: Error = DataError
) -> Iterator[ArrayBatch]:
    """Yield the rows of a column of arrays in order.

    Parameters
    ----------
    table
        A table for which `has_arrays` is true.
    name
        The column of arrays.
    others
        The columns with the weights and keys of the rows.
    error
        The class of the error for invalid Arrow data.
    """
    if isinstance(table, ArrayTable):
        return table.array_batches(name, others)
    assert isinstance(table, RecordBatchTable)
    batches = table.batches([*dict.fromkeys((name, *others.names))])
    return split_arrays(batches, name, others, table.label, error)


def split_arrays(
    batches: Iterable[Any], name: str, others: RowColumns, label: str, error: Error = DataError
) -> Iterator[ArrayBatch]:
    """Yield the column of arrays of PyArrow tables or record batches, and the other columns."""
    if not others.names:
        yield from (ArrayBatch(batch.column(name)) for batch in batches)
        return
    reader: ColumnReader | None = None
    for batch in batches:
        for part in batch.to_batches() if hasattr(batch, "to_batches") else [batch]:
            array = open_arrow_array(part, label, error)
            if reader is None:
                reader = ColumnReader(array.schema, others.numbers, label, error, others.by)
            yield ArrayBatch(part.column(name), reader.read(array))
