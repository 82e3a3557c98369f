"""Read xarray DataArrays and Datasets block by block, without loading them at once."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, format_names, suggest
from evenly.sources.feature_axis import axis_number
from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices
from evenly.typing import FeatureAxis


def matches(x: Any) -> bool:
    """Return whether an object is an xarray DataArray or Dataset."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray | xarray.Dataset)


def arrays(x: Any, label: str) -> dict[str, StoredArray]:
    """Return the data variables by name, without coordinates; a DataArray has an empty name."""
    if not hasattr(x, "data_vars"):
        return {"": LabeledArray(x, label)}
    return {str(name): LabeledArray(x, f"{label}/{name}") for name, x in x.data_vars.items()}


def label_of(x: Any) -> str:
    """Return the name of an object for messages."""
    name = getattr(x, "name", None)
    return f"the {type(x).__name__} {name}" if name else f"the {type(x).__name__}"


class LabeledArray:
    """A DataArray, indexed by position.

    Parameters
    ----------
    label
        The name of the array, for messages.
    """

    def __init__(self, array: Any, label: str) -> None:
        self._array = array
        self._label = label
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks = _chunks(array)

    def axis_of(self, feature_axis: FeatureAxis) -> int:
        """Return the axis of the columns, which can be given by the name of a dimension.

        Raises
        ------
        DataError
            If there is no such dimension, or it is not given for three or more dimensions.
        """
        dims = [str(dim) for dim in self._array.dims]
        if not isinstance(feature_axis, str):
            names = f"{self._label}, with dimensions {format_names(dims)} that may be named too,"
            return axis_number(self.shape, feature_axis, names)
        if feature_axis not in dims:
            raise DataError(
                "feature_axis must be a dimension of the array. "
                f"Received: {feature_axis!r}; {self._label} has {format_names(dims)}."
                f"{suggest(feature_axis, dims)}"
            )
        return dims.index(feature_axis)

    def names_along(self, axis: int) -> tuple[str, ...] | None:
        """Return the labels along an axis as names of columns; None if they are not unique."""
        dim = self._array.dims[axis]
        if len(self.shape) < 2 or dim not in self._array.coords:
            return None
        names = tuple(str(label) for label in self._array.coords[dim].values)
        return names if len(set(names)) == len(names) else None

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""
        return np.asarray(self._array[slices])


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Return the shape of a chunk of Dask, or of the file."""
    if array.chunks is not None:
        return tuple(max(lengths) for lengths in array.chunks)
    stored = array.encoding.get("preferred_chunks") or {}
    return tuple(stored.get(dim, array.sizes[dim]) for dim in array.dims) if stored else None
