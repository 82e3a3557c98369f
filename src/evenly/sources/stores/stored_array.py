"""The interface of an array in a store, and the maximum size of one read."""

import math
from typing import Protocol

from evenly.sources.size_limits import check_size
from evenly.sources.stores.chunking import Slices
from evenly.typing import AnyArray, AnyDtype


class StoredArray(Protocol):
    """The interface of an array in Zarr, HDF5 or xarray."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""

    @property
    def dtype(self) -> AnyDtype:
        """The dtype of the values returned by `read`."""

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of a chunk; None for an array without chunks."""

    def read(self, slices: Slices) -> AnyArray:
        """Return the values in a range of each axis.

        Missing values are NaN. If the dtype has none, the result is a masked array.
        """


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
