"""Read arrays in a store as a table: arrays of equal shape, or a structured array."""

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy.typing as npt

from evenly.block import Column
from evenly.errors import DataError
from evenly.sources.arrays import StructuredTable, field_of, to_native
from evenly.sources.group_keys import factorize_named
from evenly.sources.prefetch import read_ahead
from evenly.sources.selection import Field
from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices, plan_slices
from evenly.sources.tables import ColumnBatch


class ArraysTable:
    """A table whose columns are arrays of equal shape, with one row per value.

    The shapes are compared when the table is read, because only the selected arrays must agree.
    """

    def __init__(
        self, arrays: Mapping[str, StoredArray], *, label: str, nbytes: int | None, in_order: bool
    ) -> None:
        self._arrays = dict(arrays)
        self._in_order = in_order
        self.label = label
        self.fields = tuple(field_of(name, array.dtype) for name, array in arrays.items())
        shapes = {tuple(array.shape) for array in arrays.values()}
        self.rows: int | None = math.prod(shapes.pop()) if len(shapes) == 1 else None
        self.nbytes = nbytes

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the values block by block, in C order unless the label says otherwise."""
        arrays = [self._arrays[name] for name in (*names, *keys)]
        shape = _common_shape(dict(zip((*names, *keys), arrays, strict=True)), self.label)
        blocks = plan_slices(
            shape,
            _common_chunks(arrays),
            itemsize=sum(array.dtype.itemsize for array in arrays),
            in_order=self._in_order,
        )
        if not blocks.in_order:
            self.label += ", in the order of its chunks"
        read = 0
        with closing(read_ahead(_read_blocks(arrays, iter(blocks)))) as pieces:
            for piece in pieces:
                flat = [values.reshape(-1) for values in piece]
                columns = (
                    *(Column(to_native(values)) for values in flat[: len(names)]),
                    *(
                        factorize_named(values, name, self.label)
                        for name, values in zip(keys, flat[len(names) :], strict=True)
                    ),
                )
                done = read + len(flat[0])
                yield ColumnBatch(
                    columns,
                    self._bytes_before(done, blocks.size) - self._bytes_before(read, blocks.size),
                )
                read = done
                del piece, flat, columns

    def _bytes_before(self, rows: int, total: int) -> int:
        return (self.nbytes or 0) * rows // max(1, total)


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
        with closing(read_ahead(_read_blocks([self._array], iter(blocks)))) as pieces:
            for (records,) in pieces:
                nbytes = (self.nbytes or 0) * records.size // max(1, blocks.size)
                for columns, _ in StructuredTable(records, self.label).column_batches(names, keys):
                    yield ColumnBatch(columns, nbytes)
                del records, columns


def _read_blocks(
    arrays: list[StoredArray], blocks: Iterator[Slices]
) -> Iterator[list[npt.NDArray[Any]]]:
    for slices in blocks:
        yield [array.read(slices) for array in arrays]


def _common_chunks(arrays: list[StoredArray]) -> tuple[int, ...] | None:
    """Return the largest chunk length of the arrays on each axis."""
    chunks = [array.chunks for array in arrays if array.chunks is not None]
    return tuple(map(max, zip(*chunks, strict=True))) if chunks else None


def _common_shape(arrays: Mapping[str, StoredArray], label: str) -> tuple[int, ...]:
    shapes = {tuple(array.shape) for array in arrays.values()}
    if len(shapes) == 1:
        return shapes.pop()
    received = ", ".join(f"{name!r} of shape {tuple(a.shape)}" for name, a in arrays.items())
    raise DataError(
        f"Arrays used as columns must have the same shape. Received: {label} with {received}. "
        "Name arrays of equal shape with columns=[...], or pass select= to choose one."
    )
