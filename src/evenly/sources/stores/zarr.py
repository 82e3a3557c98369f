"""Read Zarr arrays and groups from folders, zip files and fsspec URLs."""

import os
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from evenly import extras
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.cf import ATTRIBUTES, text_of
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.stored_array import check_slices
from evenly.sources.stores.variables import LibraryStore, Variable, with_roles
from evenly.sources.urls import is_url, storage_options_of
from evenly.typing import AnyArray, AnyDtype

if TYPE_CHECKING:
    import zarr


_DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute in which xarray and NetCDF-C store the names of axes in Zarr version 2."""


def open_path(path: str, label: str) -> "zarr.Array | zarr.Group":
    """Open the array or group in a folder, a zip file or a URL for reading.

    Parameters
    ----------
    path
        Path or URL.
    label
        The name of the store without secrets, for messages.

    Raises
    ------
    SourceError
        If the store cannot be read.
    """
    zarr = extras.require("zarr", extra="zarr", feature="Reading Zarr")
    store = path
    with decode_errors(label, corrupt_store_error, url=path):
        if not is_url(path) and path.endswith(".zip"):
            store = zarr.storage.ZipStore(path, mode="r")
        options = storage_options_of(path)
        return zarr.open(store, mode="r", storage_options=options or None)


def label_of(x: "zarr.Array | zarr.Group") -> str:
    """Return the name of an object for messages."""
    return f"the Zarr {type(x).__name__.lower()} {x.name or '/'}"


class Store(LibraryStore):
    """The arrays of a Zarr group, or a single array."""

    def _find(self, path: str) -> Mapping[str, Variable]:
        import zarr

        found = self._x
        label = f"{self.label}/{path}" if path else self.label
        if path:
            found = found.get(path) if isinstance(found, zarr.Group) else None
        if isinstance(found, zarr.Array):
            return {"": self._variable(found, label)}
        if found is None:
            return {}
        members = sorted(_arrays_in(found), key=itemgetter(0))
        variables = {name: self._variable(x, f"{label}/{name}") for name, x in members}
        named = text_of(found.attrs.get("coordinates")).split()
        return with_roles(variables, coordinates=named)

    def _variable(self, array: "zarr.Array", label: str) -> Variable:
        stored = ZarrArray(array, label, self._url)
        attributes = {name: array.attrs[name] for name in ATTRIBUTES if name in array.attrs}
        dims = getattr(array.metadata, "dimension_names", None)
        if array.metadata.zarr_format == 2 and _DIMENSIONS in array.attrs:
            dims = array.attrs[_DIMENSIONS]
            if array.fill_value is not None:  # xarray does not store _FillValue separately
                attributes["_FillValue"] = array.fill_value
        names = tuple(map(str, filter(None, dims or ())))
        return Variable(stored, label, attributes, names if len(names) == array.ndim else None)


def _arrays_in(
    group: "zarr.Group", prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, "zarr.Array"]]:
    """Yield each array in a group and in its subgroups, with its path in the group.

    Links to a group that is being read are not followed. Neither are names that no array can have:
    a ZIP file may have a member without a name, which Zarr lists as a group that contains itself.

    Parameters
    ----------
    prefix
        What precedes the names in the group.
    above
        The folders of the groups above it, if the store is a folder.
    """
    import zarr

    root = getattr(group.store, "root", None)
    folder = os.path.realpath(os.path.join(root, group.path)) if root else ""
    if folder in above:
        return
    for name, member in group.members(max_depth=0):
        if name in ("", ".", ".."):
            continue
        if isinstance(member, zarr.Array):
            yield prefix + name, member
        else:
            yield from _arrays_in(member, f"{prefix}{name}/", (*above, folder) if root else ())


class ZarrArray:
    """A Zarr array, whose chunks Zarr decodes in parallel."""

    def __init__(self, array: "zarr.Array", label: str, url: str) -> None:
        self._array = array
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: AnyDtype = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] | None = tuple(array.chunks)

    def read(self, slices: Slices) -> AnyArray:
        """Return the values in a range of each axis."""
        check_slices(slices, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._array[slices])
