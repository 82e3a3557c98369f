"""Read the blocks of one chunked array; the next block is decoded ahead."""

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

import numpy as np

from evenly.block import Block
from evenly.sources.arrays import take_columns
from evenly.sources.feature_axis import axis_by_name, resolve_feature_axis
from evenly.sources.fill_values import column_of
from evenly.sources.native_arrays import check_dtype, to_native
from evenly.sources.options import ReadOptions
from evenly.sources.prefetch import read_ahead
from evenly.sources.row_weights import RowAxes
from evenly.sources.selection import resolve_labels
from evenly.sources.source import SequentialSource
from evenly.sources.stores.chunking import plan_slices
from evenly.sources.stores.decoded_array import log_remarks
from evenly.sources.stores.stored_array import StoredArray
from evenly.typing import AnyArray


@runtime_checkable
class LabeledAxes(Protocol):
    """An array whose positions have names, as in xarray."""

    def names_along(self, axis: int) -> tuple[str, ...] | None:
        """Return the names of the columns along an axis, if it has labels."""


class ChunkedSource(SequentialSource):
    """A source of the blocks of an array in a store.

    Parameters
    ----------
    array
        The array.
    options
        The options of the user.
    label
        The name of the array, for messages.
    nbytes
        The total of the bytes read that blocks report; by default the size of the values.
    dims
        The names of the axes; None if they have none.
    left_out
        The other arrays of the store, with the reason why they are not fitted.
    """

    def __init__(
        self,
        array: StoredArray,
        options: ReadOptions,
        *,
        label: str,
        nbytes: int | None = None,
        dims: tuple[str, ...] | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        check_dtype(array.dtype, label)
        shape = tuple(array.shape)
        self._array = array
        axis = axis_by_name(options.feature_axis, dims, shape, label)
        self._axis, number = resolve_feature_axis(shape, axis, label)
        labels = None
        if isinstance(array, LabeledAxes) and len(shape) > 1:
            labels = array.names_along(self._axis)
        self._selected, self.names = resolve_labels(options.selection, labels, number, label)
        self._slices = plan_slices(
            shape,
            array.chunks,
            itemsize=array.dtype.itemsize,
            feature_axis=self._axis if len(shape) > 1 else None,
            in_order=options.in_order,
        )
        self._label = label if self._slices.in_order else f"{label}, in the order of its chunks"
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(shape) // number
        self.nbytes: int | None = nbytes
        if nbytes is None:
            self.nbytes = math.prod(shape) * array.dtype.itemsize
        self.left_out = dict(left_out or {})
        self.row_axes = RowAxes(shape, dims, self._axis if len(shape) > 1 else None)

    def blocks(self) -> Generator[Block]:
        """Yield the blocks in the order of rows, or of chunks if the label says so."""
        row = read = 0
        with closing(read_ahead(self._read())) as pieces:
            for values in pieces:
                done = read + values.size
                block = Block(
                    self.names,
                    _block_data(take_columns(values, self._axis, self._selected), self._axis),
                    feature_axis=self._axis if values.ndim > 1 else -1,
                    label=self._label,
                    first_row=row,
                    nbytes=self._slices.share(self.nbytes, read, done),
                    column_numbers=self._selected,
                )
                read = done
                yield block
                row += block.rows
                del values, block  # to free their memory before the next ones are created
        log_remarks([self._array])

    def _read(self) -> Iterator[AnyArray]:
        for slices in self._slices:
            yield self._array.read(slices)


def _block_data(values: AnyArray, axis: int) -> Any:
    """Return values for a block: a masked array as columns, because only these have a mask."""
    if not isinstance(values, np.ma.MaskedArray):
        return to_native(values)
    columns = [values] if values.ndim == 1 else np.moveaxis(values, axis, 0)
    return tuple(column_of(column) for column in columns)
