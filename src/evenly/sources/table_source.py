"""Convert tables with named columns to blocks of the columns to fit.

All tables of a fit, such as the files of a folder, must have the same columns.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

from evenly.block import Block, GroupKeys
from evenly.group_keys import has_undecoded
from evenly.printable import printable
from evenly.sources.fields import NO_VALUES, NULL, Field
from evenly.sources.group_keys import cross_keys
from evenly.sources.selection import (
    ColumnSelection,
    not_numeric_error,
    resolve_columns,
)
from evenly.sources.source import ReadTask
from evenly.sources.table_pieces import split_large_where_exact, split_views, split_where_exact
from evenly.sources.table_schema import check_same_schema
from evenly.sources.tables import ChunkedTable, ColumnBatch, ColumnChunk, Table, ViewedTable
from evenly.sources.weights import weights_from_column

_log = logging.getLogger("evenly")

T = TypeVar("T")


class ResumedSchema:
    """The columns of files that were read in an earlier run; it has no rows.

    Parameters
    ----------
    label
        For messages.
    """

    rows: int | None = 0
    nbytes: int | None = 0

    def __init__(self, label: str, fields: tuple[Field, ...]) -> None:
        self.label = label
        self.fields = fields

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Return an empty iterator."""
        return iter(())


class TableSource:
    """A source of the blocks of one or several tables.

    Parameters
    ----------
    tables
        At least one. Each is opened after the one before it has been read.
    selection
        The columns to fit.
    rows, nbytes
        The totals over all tables; None if unknown.
    resume_from
        The columns that all tables must have. By default those of the first table.
    """

    def __init__(
        self,
        tables: Iterable[Table],
        selection: ColumnSelection,
        *,
        description: str,
        rows: int | None = None,
        nbytes: int | None = None,
        resume_from: Table | None = None,
    ) -> None:
        self._rest = iter(tables)
        self._first = next(self._rest)
        self._reference = resume_from or self._first
        self._selection = selection
        self._columns = resolve_columns(selection, self._reference.fields, self._reference.label)
        self._has_warned = False
        self._late_kinds: dict[str, str] = {}  # kinds of columns that began with nulls only
        self.description = description
        self.left_out = dict(self._columns.left_out)
        self.rows = rows
        self.nbytes = nbytes
        self.row_axes = getattr(self._first, "row_axes", None)
        # A series without a name is one column without a name.
        self.names = None if self._columns.names == ("",) else self._columns.names

    def blocks(self) -> Generator[Block]:
        """Yield blocks. After the last one, `left_out` has the columns without values too."""
        for blocks in self._read_all(lambda table: iter([self._blocks_of(table)])):
            yield from blocks

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the tables, with the kinds of the rows that were read so far."""
        return tuple(
            f._replace(kind=self._late_kinds[f.name]) if f.name in self._late_kinds else f
            for f in self._reference.fields
        )

    def tasks(self) -> Generator[ReadTask] | None:
        """Yield tasks that can be read in parallel.

        None if the first table is not stored by column, or rows have weights or keys, which
        belong to all columns.
        """
        if (
            self._columns.weights is not None
            or self._columns.by
            or not isinstance(self._first, ChunkedTable)
        ):
            return None
        return self._read_all(self._tasks_of)

    def _tasks_of(self, table: Table) -> Iterator[ReadTask]:
        if not isinstance(table, ChunkedTable):
            for block in self._blocks_of(table):
                yield ReadTask((block,), table.label, block.first_row, block.rows)
            return
        for part in table.column_chunks(self._columns.names):
            blocks = self._blocks_of_chunk(table, part)
            yield ReadTask(blocks, table.label, part.first_row, part.rows)

    def _blocks_of_chunk(self, table: Table, part: ColumnChunk) -> Iterator[Block]:
        row, first = part.first_row, part.first_column
        for columns, nbytes in part.column_batches:
            names = None if self.names is None else self.names[first : first + len(columns)]
            for rows, piece, share in split_where_exact(columns, nbytes):
                yield Block(
                    names,
                    piece,
                    label=table.label,
                    first_row=row,
                    nbytes=share,
                    first_column=first,
                )
                row += rows
                del piece
            del columns  # free the memory before the next batch

    def _read_all(self, read: Callable[[Table], Iterator[T]]) -> Generator[T]:
        """Yield the items read from each table; then record the columns without values."""
        unseen = {f.name for f in self._reference.fields if f.kind == NULL} & set(
            self._columns.names
        )
        for table in chain([self._first], self._rest):
            if table is not self._reference:
                check_same_schema(self._reference, table, self._selection, self._columns)
            yield from read(table)
            unseen = self._unresolved_nulls(table, unseen)
        if self._selection.columns is None:
            self.left_out |= dict.fromkeys(sorted(unseen), NO_VALUES)

    def _blocks_of(self, table: Table) -> Iterator[Block]:
        names, weights, by = self._columns.names, self._columns.weights, self._columns.by
        if isinstance(table, ViewedTable) and not by and weights is None:
            yield from self._blocks_of_views(table)
            return
        numbers = names if weights is None else (*names, weights)
        row = 0
        for columns, nbytes in table.column_batches(numbers, by):
            for rows, part, share in split_large_where_exact(columns, nbytes):
                yield self._block(table, part, row, share)
                row += rows
                del part
            del columns  # free the memory before the next batch

    def _block(self, table: Table, columns: tuple[Any, ...], row: int, nbytes: int) -> Block:
        """Return a block of columns: the values, the weights if any, and the keys."""
        number, weights_column = len(self._columns.names), self._columns.weights
        weights, others = None, columns[number:]
        if weights_column is not None:
            weights = weights_from_column(others[0], weights_column, row, table.label)
            others = others[1:]
        keys = cross_keys(others) if others else None
        self._warn_of_undecoded_keys(keys, table.label)
        return Block(
            self.names,
            columns[:number],
            weights=weights,
            keys=keys,
            label=table.label,
            first_row=row,
            nbytes=nbytes,
            verify=getattr(table, "verify", None),
        )

    def _blocks_of_views(self, table: ViewedTable) -> Iterator[Block]:
        row = 0
        for columns in table.views(self._columns.names):
            for part, nbytes in split_views(columns):
                exact: Any = split_where_exact(tuple(part), nbytes) if part.wide else None
                for rows, data, share in exact or [(part.views.rows, part, nbytes)]:
                    yield Block(self.names, data, label=table.label, first_row=row, nbytes=share)
                    row += rows

    def _warn_of_undecoded_keys(self, keys: GroupKeys | None, label: str) -> None:
        """Warn once about keys that are not UTF-8, whose bytes are kept as escapes."""
        if keys is None or self._has_warned or not has_undecoded(chain(*keys.uniques)):
            return
        self._has_warned = True
        _log.warning(
            "%s: not all texts of by= are UTF-8; other bytes are kept as escapes: '\\udcfc' for "
            "0xfc. Convert the data to UTF-8, with iconv for example, to have letters.",
            printable(label),
        )

    def _unresolved_nulls(self, table: Table, unseen: set[str]) -> set[str]:
        """Return the columns that are null so far; omit those that turned out to be text.

        Raises
        ------
        UnsupportedTypeError
            If a column that was named turns out not to be numeric.
        """
        kinds = {field.name: field for field in table.fields}
        for name in sorted(unseen):
            if not kinds[name].is_numeric:
                if self._selection.columns is not None:
                    raise not_numeric_error(kinds[name], table.label)
                self.left_out[name] = kinds[name].reason
            if kinds[name].kind != NULL:
                self._late_kinds[name] = kinds[name].kind
        return {name for name in unseen if kinds[name].kind == NULL}
