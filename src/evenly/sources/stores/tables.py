"""Arrays in a store as a table: several of one shape are its columns, or the fields of one."""

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy.typing as npt

from evenly.block import Column, GroupKeys
from evenly.errors import DataError
from evenly.sources.arrays import StructuredTable, field_of, to_native
from evenly.sources.group_keys import KeyName, factorize_named
from evenly.sources.prefetch import read_ahead
from evenly.sources.selection import Field
from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices, plan_slices
from evenly.sources.tables import ColumnBatch


class ArraysTable:
    """Arrays of one shape side by side: each is a column, and each of its values a row.

    Which arrays there are is known from the beginning; that those which are read have one
    shape is seen when they are.
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

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the values box by box; in C order, unless the label says otherwise."""
        arrays = [self._arrays[name] for name in names]
        shape = _one_shape(dict(zip(names, arrays, strict=True)), self.label)
        boxes = plan_slices(
            shape,
            _common_chunks(arrays),
            itemsize=sum(array.dtype.itemsize for array in arrays),
            in_order=self._in_order,
        )
        if not boxes.in_order:
            self.label += ", in the order of its chunks"
        read = 0
        with closing(read_ahead(_each(arrays, iter(boxes)))) as parts:
            for part in parts:
                columns = tuple(self._column(*pair) for pair in zip(names, part, strict=True))
                done = read + len(columns[0])
                yield ColumnBatch(
                    columns, self._share(done, boxes.size) - self._share(read, boxes.size)
                )
                read = done
                del part, columns

    def _column(self, name: str, values: npt.NDArray[Any]) -> Column | GroupKeys:
        flat = values.reshape(-1)
        if isinstance(name, KeyName):
            return factorize_named(flat, name, self.label)
        return Column(to_native(flat))

    def _share(self, rows: int, total: int) -> int:
        return (self.nbytes or 0) * rows // max(1, total)


class RecordsTable:
    """An array of records in a store: its fields are the columns."""

    def __init__(self, array: StoredArray, *, label: str, nbytes: int | None) -> None:
        self._array = array
        self.label = label
        self.rows: int | None = math.prod(array.shape)
        self.nbytes = nbytes
        names = array.dtype.names or ()
        self.fields: tuple[Field, ...] = tuple(field_of(n, array.dtype[n]) for n in names)

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the records box by box."""
        shape = tuple(self._array.shape)
        size = self._array.dtype.itemsize
        boxes = plan_slices(shape, self._array.chunks, itemsize=size, in_order=True)
        with closing(read_ahead(_each([self._array], iter(boxes)))) as parts:
            for (part,) in parts:
                share = (self.nbytes or 0) * part.size // max(1, boxes.size)
                for columns, _ in StructuredTable(part, self.label).column_batches(names):
                    yield ColumnBatch(columns, share)
                del part, columns


def _each(arrays: list[StoredArray], boxes: Iterator[Slices]) -> Iterator[list[npt.NDArray[Any]]]:
    for box in boxes:
        yield [array.read(box) for array in arrays]


def _common_chunks(arrays: list[StoredArray]) -> tuple[int, ...] | None:
    """Return the chunk that the arrays are cut by: on each axis the longest."""
    chunks = [array.chunks for array in arrays if array.chunks is not None]
    return tuple(map(max, zip(*chunks, strict=True))) if chunks else None


def _one_shape(arrays: Mapping[str, StoredArray], label: str) -> tuple[int, ...]:
    shapes = {tuple(array.shape) for array in arrays.values()}
    if len(shapes) == 1:
        return shapes.pop()
    found = ", ".join(f"{name!r} of shape {tuple(a.shape)}" for name, a in arrays.items())
    raise DataError(
        f"Arrays that are fitted as columns must have one shape. Received: {label} with {found}. "
        "Name some of equal shape with columns=[...], or pass select= for one of them."
    )
