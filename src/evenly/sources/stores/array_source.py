"""One array that lies in chunks, as blocks: box after box, one decoded ahead."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.sources.arrays import check_dtype, resolve_feature_axis, take_columns, to_native
from evenly.sources.options import ReadOptions
from evenly.sources.prefetch import read_ahead
from evenly.sources.selection import resolve_positions
from evenly.sources.size_limits import check_size
from evenly.sources.stores.chunking import Slices, plan_slices


class StoredArray(Protocol):
    """An array in a store: what Zarr, HDF5 and xarray look like from here."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is read of it."""

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of a chunk; None for an array in one piece."""

    def read(self, box: Slices) -> npt.NDArray[Any]:
        """Return the values in a box."""


def check_slices(box: Slices, array: StoredArray, label: str) -> None:
    """Check the size of a box, and of the chunks that are unpacked for it, before it is read.

    Raises
    ------
    SourceError
        When one is larger than what may be unpacked in one piece.
    """
    size = array.dtype.itemsize
    if array.chunks is not None:
        chunk = tuple(map(int, array.chunks))
        check_size(size * math.prod(chunk), f"{label}, in chunks of shape {chunk}")
    shape = tuple(part.stop - part.start for part in box)
    check_size(size * math.prod(shape), f"{label}, of which a part of shape {shape} is read")


class ChunkedSource:
    """The blocks of an array in a store.

    Parameters
    ----------
    nbytes
        What the blocks count as read in all; by default the bytes of the values.
    """

    names: tuple[str, ...] | None = None

    def __init__(
        self, array: StoredArray, request: ReadOptions, *, label: str, nbytes: int | None = None
    ) -> None:
        check_dtype(array.dtype, label)
        shape = tuple(array.shape)
        self._array = array
        self._axis, number = resolve_feature_axis(shape, request.feature_axis, label)
        self._picked = resolve_positions(request.choice, number, label)
        self._boxes = plan_slices(
            shape,
            array.chunks,
            itemsize=array.dtype.itemsize,
            feature_axis=self._axis if len(shape) > 1 else None,
            in_order=request.in_order,
        )
        self._label = label if self._boxes.in_order else f"{label}, in the order of its chunks"
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(shape) // number
        self.nbytes: int | None = nbytes
        if nbytes is None:
            self.nbytes = math.prod(shape) * array.dtype.itemsize
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the boxes; in the order of rows, unless its label says otherwise."""
        row = read = 0
        with closing(read_ahead(self._read())) as parts:
            for part in parts:
                done = read + part.size
                block = Block(
                    None,
                    to_native(take_columns(part, self._axis, self._picked)),
                    feature_axis=self._axis if part.ndim > 1 else -1,
                    label=self._label,
                    first_row=row,
                    nbytes=self._share(done) - self._share(read),
                )
                read = done
                yield block
                row += block.rows
                del part, block  # so that their memory is free when the next ones are made

    def _read(self) -> Iterator[npt.NDArray[Any]]:
        for box in self._boxes:
            yield self._array.read(box)

    def _share(self, cells: int) -> int:
        return (self.nbytes or 0) * cells // max(1, self._boxes.size)
