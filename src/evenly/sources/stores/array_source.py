"""Read the blocks of one chunked array; the next block is decoded ahead."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.sources.arrays import check_dtype, take_columns, to_native
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.options import ReadOptions
from evenly.sources.prefetch import read_ahead
from evenly.sources.selection import resolve_labels
from evenly.sources.size_limits import check_size
from evenly.sources.stores.chunking import Slices, plan_slices
from evenly.typing import FeatureAxis


class StoredArray(Protocol):
    """The interface of an array in Zarr, HDF5 or xarray."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values returned by `read`."""

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of a chunk; None for an array without chunks."""

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""


@runtime_checkable
class LabeledAxes(Protocol):
    """An array whose dimensions and positions have names, as in xarray."""

    def axis_of(self, feature_axis: FeatureAxis) -> int:
        """Return the axis of the columns, which can be given by name."""

    def names_along(self, axis: int) -> tuple[str, ...] | None:
        """Return the names of the columns along an axis, if it has labels."""


def check_slices(slices: Slices, array: StoredArray, label: str) -> None:
    """Check the sizes of a range of an array and of its chunks before it is read.

    Raises
    ------
    SourceError
        If a size exceeds ``EVENLY_MAX_MEMBER_BYTES``.
    """
    size = array.dtype.itemsize
    if array.chunks is not None:
        chunk = tuple(map(int, array.chunks))
        check_size(size * math.prod(chunk), f"{label}, in chunks of shape {chunk}")
    shape = tuple(axis.stop - axis.start for axis in slices)
    check_size(size * math.prod(shape), f"{label}, read in blocks of shape {shape}")


class ChunkedSource:
    """A source of the blocks of an array in a store.

    Parameters
    ----------
    array
        The array.
    request
        The options of the user.
    label
        The name of the array, for messages.
    nbytes
        The total of the bytes read that blocks report; by default the size of the values.
    """

    def __init__(
        self, array: StoredArray, request: ReadOptions, *, label: str, nbytes: int | None = None
    ) -> None:
        check_dtype(array.dtype, label)
        shape = tuple(array.shape)
        self._array = array
        labeled = array if isinstance(array, LabeledAxes) else None
        axis = labeled.axis_of(request.feature_axis) if labeled else request.feature_axis
        self._axis, number = resolve_feature_axis(shape, axis, label)
        labels = labeled.names_along(self._axis) if labeled and len(shape) > 1 else None
        self._selected, self.names = resolve_labels(request.choice, labels, number, label)
        self._slices = plan_slices(
            shape,
            array.chunks,
            itemsize=array.dtype.itemsize,
            feature_axis=self._axis if len(shape) > 1 else None,
            in_order=request.in_order,
        )
        self._label = label if self._slices.in_order else f"{label}, in the order of its chunks"
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(shape) // number
        self.nbytes: int | None = nbytes
        if nbytes is None:
            self.nbytes = math.prod(shape) * array.dtype.itemsize
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the blocks in the order of rows, or of chunks if the label says so."""
        row = read = 0
        with closing(read_ahead(self._read())) as pieces:
            for values in pieces:
                done = read + values.size
                block = Block(
                    self.names,
                    to_native(take_columns(values, self._axis, self._selected)),
                    feature_axis=self._axis if values.ndim > 1 else -1,
                    label=self._label,
                    first_row=row,
                    nbytes=self._bytes_before(done) - self._bytes_before(read),
                )
                read = done
                yield block
                row += block.rows
                del values, block  # to free their memory before the next ones are created

    def _read(self) -> Iterator[npt.NDArray[Any]]:
        for slices in self._slices:
            yield self._array.read(slices)

    def _bytes_before(self, values: int) -> int:
        return (self.nbytes or 0) * values // max(1, self._slices.size)
