"""xarray: a DataArray, or a Dataset, read box by box even where it is not yet in memory."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices


def matches(x: Any) -> bool:
    """Whether something is a DataArray or a Dataset."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray | xarray.Dataset)


def arrays(x: Any, label: str) -> dict[str, StoredArray]:
    """Return the data variables by their names; a DataArray has none. Coordinates are no data."""
    if not hasattr(x, "data_vars"):
        return {"": LabelledArray(x)}
    return {str(name): LabelledArray(member) for name, member in x.data_vars.items()}


def label_of(x: Any) -> str:
    """Return what messages call it."""
    name = getattr(x, "name", None)
    return f"the {type(x).__name__} {name}" if name else f"the {type(x).__name__}"


class LabelledArray:
    """A DataArray, by position."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks = _chunks(array)

    def read(self, box: Slices) -> npt.NDArray[Any]:
        """Return the values in a box."""
        return np.asarray(self._array[box])


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Return the chunk as Dask has it, or as it lies in the file."""
    if array.chunks is not None:
        return tuple(max(lengths) for lengths in array.chunks)
    stored = array.encoding.get("preferred_chunks") or {}
    return tuple(stored.get(dim, array.sizes[dim]) for dim in array.dims) if stored else None
