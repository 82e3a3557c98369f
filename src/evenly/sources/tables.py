"""Protocols of tables: named columns that are read in batches.

Frames and files with columns are treated alike: each has fields, and yields batches of the
selected columns. `evenly.sources.table_source` converts them to blocks.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

from evenly.block import ColumnViews
from evenly.sources.fields import Field


class ColumnBatch(NamedTuple):
    """Rows of the selected columns, and the number of bytes read for them.

    Columns that were selected as keys are `GroupKeys`.
    """

    columns: tuple[Any, ...]  # a Column or GroupKeys, depending on the position
    nbytes: int


class Table(Protocol):
    """Named columns that can be read in batches.

    Attributes
    ----------
    label
        The name of the table, for messages.
    fields
        The columns. A kind of ``"null"`` may change while values are read.
    rows, nbytes
        The totals; None if unknown.
    """

    label: str
    rows: int | None
    nbytes: int | None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns; a kind may be refined while rows are read."""

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the rows in order: the columns in `names`, then the keys in `keys`."""


def is_table(x: object) -> TypeGuard[Table]:
    """Return whether an object is a table, and not a source of arrays."""
    return hasattr(x, "column_batches")


class ColumnChunk(NamedTuple):
    """Some columns of a range of rows, and the batches to read."""

    first_row: int
    rows: int
    first_column: int
    column_batches: Iterator[ColumnBatch]


@runtime_checkable
class ChunkedTable(Table, Protocol):
    """A table stored by column, whose chunks can be read in parallel."""

    def column_chunks(self, names: tuple[str, ...]) -> Iterator[ColumnChunk]:
        """Yield chunks in order; each has some consecutive columns of `names`."""


@runtime_checkable
class ViewedTable(Table, Protocol):
    """A table in memory, whose columns the core can read where they are."""

    def views(self, names: tuple[str, ...]) -> Iterator[ColumnViews]:
        """Yield the rows of some columns in order."""


@runtime_checkable
class RecordBatchTable(Table, Protocol):
    """A table whose columns of any type can be read as PyArrow record batches."""

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield record batches with some columns."""


@runtime_checkable
class ScalableTable(Table, Protocol):
    """A table that reads numbers to be scaled otherwise than those to be copied."""

    def batches_to_scale(self, dtypes: Mapping[str, str], keys: Collection[str]) -> Iterator[Any]:
        """Yield PyArrow record batches of all columns.

        Parameters
        ----------
        dtypes
            The columns to scale, and the dtypes with which they were fitted.
        keys
            The columns of group keys, which must be exact.
        """
