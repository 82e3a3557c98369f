"""Read xarray DataArrays and Datasets block by block, without loading them at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices


def arrays(x: Any, label: str) -> dict[str, StoredArray]:
    """Return the data variables by name, without coordinates; a DataArray has an empty name."""
    if not hasattr(x, "data_vars"):
        return {"": LabeledArray(x)}
    return {str(name): LabeledArray(member) for name, member in x.data_vars.items()}


def label_of(x: Any) -> str:
    """Return the name of an object for messages."""
    name = getattr(x, "name", None)
    return f"the {type(x).__name__} {name}" if name else f"the {type(x).__name__}"


class LabeledArray:
    """A DataArray, indexed by position."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks = _chunks(array)

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""
        return np.asarray(self._array[slices])


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Return the shape of a chunk of Dask, or of the file."""
    if array.chunks is not None:
        return tuple(max(lengths) for lengths in array.chunks)
    stored = array.encoding.get("preferred_chunks") or {}
    return tuple(stored.get(dim, array.sizes[dim]) for dim in array.dims) if stored else None
