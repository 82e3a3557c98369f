"""Read variables of a store as a table: several of equal shape, or a structured array."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from evenly.block import GroupKeys
from evenly.sources.arrays import StructuredTable, field_of
from evenly.sources.fields import Field
from evenly.sources.fill_values import column_of
from evenly.sources.options import ReadOptions
from evenly.sources.prefetch import read_ahead
from evenly.sources.row_weights import RowAxes
from evenly.sources.selection import ColumnSelection
from evenly.sources.stores.alignment import AlignedArray, align, common_chunks, keys_of_block
from evenly.sources.stores.chunking import Slices, plan_slices
from evenly.sources.stores.decoded_array import log_remarks
from evenly.sources.stores.stored_array import StoredArray
from evenly.sources.stores.variables import Variable
from evenly.sources.tables import ColumnBatch
from evenly.typing import AnyArray


class ArraysTable:
    """A table whose columns are variables of equal shape, with one row per value.

    The shapes are compared when the table is read, because only the selected variables must agree.
    """

    def __init__(
        self,
        variables: Mapping[str, Variable],
        options: ReadOptions,
        *,
        label: str,
        nbytes: int | None,
    ) -> None:
        self._variables = dict(variables)
        self._in_order = options.in_order
        self._weights = options.selection.weights
        self.label = label
        self.fields = tuple(variable.field(name) for name, variable in variables.items())
        self.row_axes = self._find_axes(options.selection)
        self.rows = None if self.row_axes is None else math.prod(self.row_axes.shape)
        self.nbytes = nbytes

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the values block by block, in C order unless the label says otherwise."""
        columns = [name for name in names if name != self._weights]
        others = [name for name in names if name == self._weights]
        grid, arrays = align(self._variables, columns, [*others, *keys], self.label)
        blocks = plan_slices(
            grid.shape,
            common_chunks(arrays, len(grid.shape)),
            itemsize=sum(aligned.array.dtype.itemsize for aligned in arrays),
            in_order=self._in_order,
        )
        if not blocks.in_order:
            self.label += ", in the order of its chunks"
        read = 0
        with closing(read_ahead(_read_blocks(arrays, iter(blocks)))) as pieces:
            for slices, piece in pieces:
                shape = tuple(axis.stop - axis.start for axis in slices)
                values = (column_of(values, shape) for values in piece[: len(names)])
                groups = self._keys(keys, piece[len(names) :], shape)
                done = read + math.prod(shape)
                nbytes = blocks.share(self.nbytes, read, done)
                yield ColumnBatch((*values, *groups), nbytes)
                read = done
                del piece
        log_remarks(aligned.array for aligned in arrays)

    def _keys(
        self, names: Sequence[str], arrays: Sequence[AnyArray], shape: tuple[int, ...]
    ) -> Iterator[GroupKeys]:
        """Yield the group keys of a block, in the order of the names."""
        for name, values in zip(names, arrays, strict=True):
            yield keys_of_block(values, shape, name, self.label)

    def _find_axes(self, selection: ColumnSelection) -> RowAxes | None:
        """Return the axes of the variables to fit; None if they have different shapes."""
        fitted = [field.name for field in self.fields if field.is_numeric]
        others = {*selection.exclude, *selection.by, selection.weights}
        names = [name for name in (selection.columns or fitted) if name not in others]
        found = [self._variables[name] for name in names if name in self._variables]
        if len({variable.shape for variable in found}) != 1:
            return None
        return RowAxes(found[0].shape, found[0].dims, None)


class RecordsTable:
    """A table whose columns are the fields of a structured array in a store."""

    def __init__(self, array: StoredArray, *, label: str, nbytes: int | None) -> None:
        self._array = array
        self.label = label
        self.rows: int | None = math.prod(array.shape)
        self.nbytes = nbytes
        names = array.dtype.names or ()
        self.fields: tuple[Field, ...] = tuple(field_of(n, array.dtype[n]) for n in names)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the records block by block."""
        shape = tuple(self._array.shape)
        size = self._array.dtype.itemsize
        blocks = plan_slices(shape, self._array.chunks, itemsize=size, in_order=True)
        with closing(read_ahead(map(self._array.read, blocks))) as pieces:
            for records in pieces:
                nbytes = (self.nbytes or 0) * records.size // max(1, blocks.size)
                for columns, _ in StructuredTable(records, self.label).column_batches(names, keys):
                    yield ColumnBatch(columns, nbytes)
                    del columns
                del records


def _read_blocks(
    arrays: Sequence[AlignedArray], blocks: Iterator[Slices]
) -> Iterator[tuple[Slices, list[AnyArray]]]:
    for slices in blocks:
        yield slices, [aligned.read(slices) for aligned in arrays]
