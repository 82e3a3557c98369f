"""Convert tables with named columns to blocks of the columns to fit.

Frames and files with columns are treated alike: each has fields, and yields batches of the
selected columns. All files of a fit must have the same columns.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from evenly.block import Block, Column, ColumnViews, GroupKeys, validity_to_mask
from evenly.errors import ColumnError, UnsupportedTypeError, format_names
from evenly.group_keys import has_undecoded
from evenly.printable import printable
from evenly.sources import block_sizes
from evenly.sources.exact_rows import split_exact
from evenly.sources.group_keys import cross_keys
from evenly.sources.selection import (
    NULL,
    ColumnSelection,
    Field,
    ResolvedColumns,
    not_numeric_error,
    resolve_columns,
)
from evenly.sources.source import ReadTask
from evenly.sources.weights import check_weights

_log = logging.getLogger("evenly")

T = TypeVar("T")


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

    def batches_to_scale(self, dtypes: Mapping[str, str]) -> Iterator[Any]:
        """Yield PyArrow record batches of all columns.

        Parameters
        ----------
        dtypes
            The columns to scale, and the dtypes with which they were fitted.
        """


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
        self._plan = resolve_columns(selection, self._reference.fields, self._reference.label)
        self._missing_keys_logged = False
        self._late_types: dict[str, str] = {}  # kinds of columns that began with nulls only
        self.description = description
        self.left_out = dict(self._plan.left_out)
        self.rows = rows
        self.nbytes = nbytes
        self.row_axes = getattr(self._first, "row_axes", None)
        # A series without a name is one column without a name.
        self.names = None if self._plan.names == ("",) else self._plan.names

    def blocks(self) -> Generator[Block]:
        """Yield blocks. After the last one, `left_out` has the columns without values too."""
        for blocks in self._read_all(lambda table: iter([self._blocks_of(table, self._plan)])):
            yield from blocks

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the tables, with the kinds of the rows that were read so far."""
        return tuple(
            f._replace(kind=self._late_types[f.name]) if f.name in self._late_types else f
            for f in self._reference.fields
        )

    def tasks(self) -> Generator[ReadTask] | None:
        """Yield tasks that can be read in parallel.

        None if the first table is not stored by column, or rows have weights or keys, which
        belong to all columns.
        """
        if (
            self._plan.weights is not None
            or self._plan.by
            or not isinstance(self._first, ChunkedTable)
        ):
            return None
        return self._read_all(self._tasks_of)

    def _tasks_of(self, table: Table) -> Iterator[ReadTask]:
        if not isinstance(table, ChunkedTable):
            for block in self._blocks_of(table, self._plan):
                yield ReadTask((block,), table.label, block.first_row, block.rows)
            return
        for part in table.column_chunks(self._plan.names):
            blocks = self._blocks_of_chunk(table, part)
            yield ReadTask(blocks, table.label, part.first_row, part.rows)

    def _blocks_of_chunk(self, table: Table, part: ColumnChunk) -> Iterator[Block]:
        row, first = part.first_row, part.first_column
        for columns, nbytes in part.column_batches:
            names = None if self.names is None else self.names[first : first + len(columns)]
            for rows, piece, share in _split_exact(columns, nbytes):
                yield Block(
                    names,
                    piece,
                    label=table.label,
                    first_row=row,
                    nbytes=share,
                    first_column=first,
                )
                row += rows
            del columns, piece  # free the memory before the next batch

    def _read_all(self, read: Callable[[Table], Iterator[T]]) -> Generator[T]:
        """Yield the items read from each table; then record the columns without values."""
        unseen = {f.name for f in self._reference.fields if f.kind == NULL} & set(self._plan.names)
        for table in chain([self._first], self._rest):
            if table is not self._reference:
                check_same_schema(self._reference, table, self._selection, self._plan)
            yield from read(table)
            unseen = self._unresolved_nulls(table, unseen)
        if self._selection.columns is None:
            self.left_out |= dict.fromkeys(sorted(unseen), "no values")

    def _blocks_of(self, table: Table, what: ResolvedColumns) -> Iterator[Block]:
        if isinstance(table, ViewedTable) and not what.by and what.weights is None:
            yield from self._blocks_of_views(table)
            return
        wanted = (*what.names, *filter(None, [what.weights]))
        row = 0
        for columns, nbytes in table.column_batches(wanted, what.by):
            for rows, part, share in _split_large_exact(columns, nbytes):
                number = len(what.names)
                keys = cross_keys(part[len(wanted) :]) if what.by else None
                self._log_missing_keys(keys, table.label)
                weights = None
                if what.weights is not None:
                    weights = check_weights_column(part[number], what.weights, row, table.label)
                yield Block(
                    self.names,
                    part[:number],
                    weights=weights,
                    keys=keys,
                    label=table.label,
                    first_row=row,
                    nbytes=share,
                    verify=getattr(table, "verify", None),
                )
                row += rows
            del columns, part  # free the memory before the next batch

    def _blocks_of_views(self, table: "ViewedTable") -> Iterator[Block]:
        row = 0
        for columns in table.views(self._plan.names):
            for part, nbytes in split_views(columns):
                exact: Any = _split_exact(tuple(part), nbytes) if part.wide else None
                for rows, data, share in exact or [(part.views.rows, part, nbytes)]:
                    yield Block(self.names, data, label=table.label, first_row=row, nbytes=share)
                    row += rows

    def _log_missing_keys(self, keys: GroupKeys | None, label: str) -> None:
        """Warn once about keys that are not UTF-8, whose bytes are kept as escapes."""
        if keys is None or self._missing_keys_logged or not has_undecoded(chain(*keys.uniques)):
            return
        self._missing_keys_logged = True
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
                self._late_types[name] = kinds[name].kind
        return {name for name in unseen if kinds[name].kind == NULL}


def split_large(columns: tuple[Any, ...], nbytes: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Split columns that are larger than a block, without a copy."""
    rows = len(columns[0])
    width = sum(column.itemsize for column in columns)
    step = max(1, block_sizes.current.table_bytes // width)
    if rows <= step:
        yield columns, nbytes
        return
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        share = nbytes * stop // rows - nbytes * start // rows
        yield tuple(column[start:stop] for column in columns), share


Piece = tuple[int, tuple[Any, ...], int]
"""A number of rows, their columns, and the number of bytes read for them."""


def _split_large_exact(columns: tuple[Any, ...], nbytes: int) -> Iterator[Piece]:
    for part, share in split_large(columns, nbytes):
        yield from _split_exact(part, share)


def _split_exact(columns: tuple[Any, ...], nbytes: int) -> Iterator[Piece]:
    """Yield columns as ranges of rows that are exact, without a copy; see `split_exact`."""
    total = max(1, len(columns[0]))
    for start, stop, part in split_exact(columns):
        yield stop - start, part, nbytes * stop // total - nbytes * start // total


def split_views(columns: ColumnViews) -> Iterator[tuple[ColumnViews, int]]:
    """Split columns that are larger than a block, without a copy."""
    rows, nbytes = columns.views.rows, columns.views.nbytes
    step = max(1, block_sizes.current.table_bytes * rows // max(1, nbytes))
    if rows <= step:
        yield columns, nbytes
        return
    for start in range(0, rows, step):
        part = columns.rows_from(start, min(start + step, rows))
        yield part, part.views.nbytes


def check_weights_column(
    column: Column, name: str, first_row: int, label: str
) -> npt.NDArray[np.float64]:
    """Return a column of weights as float64, after checking it.

    Raises
    ------
    DataError
        If a weight is missing, negative or not finite.
    """
    weights = column.values.astype(np.float64)
    if column.validity is not None:
        weights[~validity_to_mask(column)] = np.nan
    check_weights(weights, first_row, f"column {name!r} of {label}")
    return weights


def check_same_schema(
    first: Table, table: Table, selection: ColumnSelection, what: ResolvedColumns
) -> None:
    """Check that a table has the same columns as the first one, in any order.

    Raises
    ------
    ColumnError
        If columns are missing, or unknown and no columns were selected by name.
    UnsupportedTypeError
        If a column has another type, such as text, or times in another unit.
    """
    ours = {field.name: field for field in first.fields}
    theirs = {field.name: field for field in table.fields}
    wanted = {*what.names, *filter(None, [what.weights]), *what.by}
    named = selection.columns is not None
    both = {**ours, **theirs}  # a partition belongs to the folder, and not to the file
    checked = {name for name, field in both.items() if not named and field.reason != "partition"}
    missing = [name for name in ours if name not in theirs and name in checked | wanted]
    unknown = [name for name in theirs if name not in ours and name in checked]
    if missing or unknown:
        raise ColumnError(
            f"All parts of a fit must have the same columns, as {first.label} has them. "
            f"Received: {table.label}, missing: {format_names(missing) or 'none'}; "
            f"unknown: {format_names(unknown) or 'none'}. Choose common ones with columns=[...]."
        )
    for name in what.names:
        if not _same_type(ours[name], theirs[name], named):
            raise UnsupportedTypeError(
                "A column must be of one kind in all parts of a fit. Received: column "
                f"{name!r}, which is {ours[name].kind} in {first.label} and "
                f"{theirs[name].kind} in {table.label}. Convert it, or pass exclude=[{name!r}]."
            )
    for name in what.by:
        if not _same_keys(ours[name], theirs[name]):
            raise UnsupportedTypeError(
                "The keys of groups must be of one kind in all parts of a fit. Received: column "
                f"{name!r}, which is {ours[name].kind} in {first.label} and {theirs[name].kind} in "
                f"{table.label}. Convert it in one of them."
            )
    resolve_columns(
        ColumnSelection((*what.names,), (), what.weights, what.by), table.fields, table.label
    )


def _same_keys(ours: Field, theirs: Field) -> bool:
    """Return whether the keys of two columns can be equal; the values of a category decide."""
    kinds = {ours.reason, theirs.reason} - {NULL, "category", "index", "object"}
    return len(kinds) <= 1


def _same_type(ours: Field, theirs: Field, named: bool) -> bool:
    if NULL in (ours.kind, theirs.kind):
        return ours.is_selectable and theirs.is_selectable
    return ours.kind == theirs.kind
