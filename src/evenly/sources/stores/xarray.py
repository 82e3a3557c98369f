"""Read xarray DataArrays and Datasets block by block, without loading them at once."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from evenly.errors import format_names
from evenly.printable import printable
from evenly.sources.stores.cf import ENCODING
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.variables import Variable, with_roles
from evenly.typing import AnyArray, AnyDtype

if TYPE_CHECKING:
    import xarray


def label_of(x: object) -> str:
    """Return the name of an object for messages."""
    name = getattr(x, "name", None)
    return f"the {type(x).__name__} {name}" if name else f"the {type(x).__name__}"


_log = logging.getLogger("evenly")


class Store:
    """A DataArray, or the data variables and then the coordinates of a Dataset."""

    def __init__(self, x: "xarray.DataArray | xarray.Dataset", label: str, url: str = "") -> None:
        self._x = x
        self.label = label

    def find(self, path: str) -> Mapping[str, Variable]:
        """Return the variables at a path; see `evenly.sources.stores.variables.Store`."""
        if not hasattr(self._x, "data_vars"):
            is_found = path in ("", self._x.name)
            return {"": self._variable(self._x, self.label)} if is_found else {}
        members = {
            str(name): x for name, x in (*self._x.data_vars.items(), *self._x.coords.items())
        }
        if path:
            found = members.get(path)
            return {} if found is None else {"": self._variable(found, f"{self.label}/{path}")}
        variables = {name: self._variable(x, f"{self.label}/{name}") for name, x in members.items()}
        return with_roles(variables, coordinates=map(str, self._x.coords))

    def _variable(self, x: "xarray.DataArray | xarray.Dataset", label: str) -> Variable:
        dims = tuple(map(str, x.dims))
        # xarray has decoded the values; bounds are in the encoding once it has decoded times
        attributes = {
            name: found[name]
            for name in ("bounds", "climatology")
            for found in (x.encoding, x.attrs)
            if name in found
        }
        return Variable(LabeledArray(x, label), label, attributes, dims)


class LabeledArray:
    """A DataArray, indexed by position."""

    def __init__(self, array: "xarray.DataArray", label: str) -> None:
        self._array = array
        self._label = label
        self._encoded = [name for name in ENCODING if name in array.attrs]
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: AnyDtype = np.dtype(array.dtype)
        self.chunks = _chunks(array)

    def names_along(self, axis: int) -> tuple[str, ...] | None:
        """Return the labels along an axis as names of columns; None if they are not unique."""
        dim = self._array.dims[axis] if len(self.shape) > 1 else None
        if dim not in self._array.coords:
            return None
        names = tuple(str(label) for label in self._array.coords[dim].values)
        return names if len(set(names)) == len(names) else None

    def read(self, slices: Slices) -> AnyArray:
        """Return the values in a range of each axis."""
        if self._encoded:
            _log.warning(
                "%s has the attributes %s, which xarray has not applied; its values are read as "
                "they are. To decode them, pass xarray.decode_cf(dataset).",
                printable(self._label),
                printable(format_names(self._encoded)),
            )
            self._encoded = []
        return np.asarray(self._array[slices])


def _chunks(array: "xarray.DataArray") -> tuple[int, ...] | None:
    """Return the shape of a chunk of Dask, or of the file."""
    if array.chunks is not None:
        return tuple(max(lengths) for lengths in array.chunks)
    stored = array.encoding.get("preferred_chunks") or {}
    return tuple(stored.get(dim, array.sizes[dim]) for dim in array.dims) if stored else None
