"""Read a file with the columns of its partition, which have one value in all of its rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evenly.block import Column, GroupKeys, missing_column
from evenly.errors import SourceError
from evenly.sources.array_batches import read_arrays
from evenly.sources.fields import Field
from evenly.sources.files.partitions import PartitionValue
from evenly.sources.group_keys import factorize_objects
from evenly.sources.selected_column import ArrayBatch
from evenly.sources.selection import RowColumns
from evenly.sources.tables import ChunkedTable, ColumnBatch, ColumnChunk, Table


class PartitionedTable:
    """A table with columns that have one value each.

    Parameters
    ----------
    table
        The table in the file. Its own columns have priority.
    partition
        The columns of the partition.

    Attributes
    ----------
    table
        The table in the file.
    """

    def __init__(self, table: Table, partition: Sequence[PartitionValue]) -> None:
        self.table = table
        own = {field.name for field in table.fields}
        added = [column for column in partition if column.name not in own]
        self._added = tuple(column.field for column in added)
        self._values = {column.name: column.value for column in added}
        self.label = table.label
        self.rows = table.rows
        self.nbytes = table.nbytes
        self.verify = getattr(table, "verify", None)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the table, and then those of the partition."""
        return (*self.table.fields, *self._added)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the rows in order: the columns in `names`, then the keys in `keys`."""
        read, read_keys = self._own(names), self._own(keys)
        if not read and not read_keys:  # any column has the number of rows
            first = next((f for f in self.table.fields if f.is_numeric), self.table.fields[0])
            read, read_keys = ((first.name,), ()) if first.is_numeric else ((), (first.name,))
        for columns, nbytes in self.table.column_batches(read, read_keys):
            yield ColumnBatch(self._complete(columns, len(columns[0]), names, keys), nbytes)
            del columns

    def array_batches(self, name: str, others: RowColumns) -> Iterator[ArrayBatch]:
        """Yield the rows of a column of arrays in order, with their weights and keys."""
        own = RowColumns(next(iter(self._own(others.numbers)), None), self._own(others.by))
        for values, columns in read_arrays(self.table, name, own, SourceError):
            complete = self._complete(columns, len(values), others.numbers, others.by)
            yield ArrayBatch(values, complete)

    def _complete(
        self, columns: Sequence[Any], rows: int, names: tuple[str, ...], keys: tuple[str, ...]
    ) -> tuple[Any, ...]:
        """Return columns and keys with those of the partition, given those in the file."""
        read, read_keys = self._own(names), self._own(keys)
        values = dict(zip(read, columns, strict=False))
        groups = dict(zip(read_keys, columns[len(read) :], strict=False))
        return (
            *(values[n] if n in values else self._column(n, rows) for n in names),
            *(groups[n] if n in groups else self._keys(n, rows) for n in keys),
        )

    def _own(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns that are in the file."""
        return tuple(name for name in names if name not in self._values)

    def _column(self, name: str, rows: int) -> Column:
        value = self._values[name]
        return missing_column(rows) if value is None else Column(np.full(rows, value, np.int32))

    def _keys(self, name: str, rows: int) -> GroupKeys:
        keys = factorize_objects([self._values[name]])
        return GroupKeys(np.zeros(rows, np.int64), keys.uniques)


class PartitionedChunks(PartitionedTable):
    """A table stored by column with columns that have one value each."""

    def __init__(self, table: ChunkedTable, partition: Sequence[PartitionValue]) -> None:
        super().__init__(table, partition)
        self._chunks = table

    def column_chunks(self, names: tuple[str, ...]) -> Iterator[ColumnChunk]:
        """Yield chunks that can be read in parallel; all rows at once with added columns."""
        if self._own(names) == names:
            yield from self._chunks.column_chunks(names)
        else:
            yield ColumnChunk(0, self.rows or 0, 0, self.column_batches(names))


def with_partition(table: Table, partition: Sequence[PartitionValue]) -> PartitionedTable:
    """Return a table with the columns of its partition."""
    if isinstance(table, ChunkedTable):
        return PartitionedChunks(table, partition)
    return PartitionedTable(table, partition)
