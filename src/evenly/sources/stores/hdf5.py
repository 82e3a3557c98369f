"""Read HDF5 datasets and groups; NetCDF 4 files are HDF5 as well."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.cf import ATTRIBUTES, text_of
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.hdf5_links import find_datasets, follow
from evenly.sources.stores.stored_array import check_slices
from evenly.sources.stores.variables import LibraryStore, Variable, with_roles
from evenly.system.errors import is_system_error
from evenly.typing import AnyArray, AnyDtype

if TYPE_CHECKING:
    import h5py


MAGIC = b"\x89HDF\r\n\x1a\n"

_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""The beginning of the name of a NetCDF dimension without a variable, a dataset of zeros."""

_RENAMED = "_nc4_non_coord_"
"""NetCDF's prefix of a variable that has the name of a dimension, but not that axis."""


def open_path(file: object, label: str, url: str = "") -> "h5py.File":
    """Open an HDF5 file for reading.

    Parameters
    ----------
    file
        Path, or an open file.
    label
        The name of the file without secrets, for messages.
    url
        The URL of the file. Its secrets are masked in the messages of libraries.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    h5py = extras.require("h5py", extra="hdf5", feature="Reading HDF5")
    with decode_errors(label, corrupt_store_error, url=url):
        return h5py.File(file, "r")


def label_of(x: "h5py.Dataset | h5py.Group") -> str:
    """Return the name of an object for messages."""
    return f"{x.file.filename}{x.name}".rstrip("/")


class Store(LibraryStore):
    """The datasets of an HDF5 group, or a single dataset."""

    def _find(self, path: str) -> Mapping[str, Variable]:
        import h5py

        found = follow(self._x, path, self.label)
        if path and (found is None or _is_dimension(found)):
            group, _, name = path.rpartition("/")
            found = follow(self._x, f"{group}/{_RENAMED}{name}", self.label)
        label = f"{self.label}/{path}" if path else self.label
        if isinstance(found, h5py.Dataset):
            return {"": self._variable(found, label)}
        if not isinstance(found, h5py.Group):
            return {}
        variables = {
            _user_name(name): self._variable(dataset, f"{label}/{_user_name(name)}")
            for name, dataset in find_datasets(found, label)
            if not _is_dimension(dataset)
        }
        return with_roles(variables, coordinates=text_of(found.attrs.get("coordinates")).split())

    def _variable(self, dataset: "h5py.Dataset", label: str) -> Variable:
        if isinstance(dataset, SourceError):
            return Variable(dataset, label)
        try:
            _check_virtual_sources(dataset, label)
            with decode_errors(label, corrupt_store_error, url=self._url):
                array = Hdf5Array(dataset, label, self._url)
                attributes = {
                    name: dataset.attrs[name] for name in ATTRIBUTES if name in dataset.attrs
                }
                return Variable(array, label, attributes, _dims(dataset))
        except SourceError as error:
            if is_system_error(error):
                raise
            return Variable(error, label)


def _is_dimension(dataset: object) -> bool:
    """Return whether a dataset is a NetCDF dimension without a variable."""
    attributes = getattr(dataset, "attrs", {})
    return text_of(attributes.get("NAME")).startswith(_NO_VARIABLE)


def _user_name(path: str) -> str:
    """Return the path of a variable as NetCDF libraries show it.

    >>> _user_name("group/_nc4_non_coord_lat")
    'group/lat'
    """
    group, slash, name = path.rpartition("/")
    return f"{group}{slash}{name.removeprefix(_RENAMED)}"


def _dims(dataset: "h5py.Dataset") -> tuple[str, ...] | None:
    """Return the names of the axes: those of the dimension scales attached to them."""
    if dataset.ndim == 1 and dataset.is_scale:
        return (_basename(dataset),)
    names = []
    for axis in dataset.dims:
        if not len(axis):
            return None
        names.append(_basename(axis[0]))
    return tuple(names)


def _basename(dataset: "h5py.Dataset") -> str:
    return str(dataset.name).rpartition("/")[2]


def _check_virtual_sources(dataset: "h5py.Dataset", label: str) -> None:
    """Check that the files of a virtual dataset exist; HDF5 reads zeros from missing ones.

    Raises
    ------
    SourceError
        If a file is missing.
    """
    if not getattr(dataset, "is_virtual", False):
        return
    folder = os.path.dirname(dataset.file.filename)
    for source in dataset.virtual_sources():
        name = source.file_name
        if name != "." and "%b" not in name and not os.path.exists(os.path.join(folder, name)):
            raise SourceError(
                "The files of a virtual dataset must exist, since HDF5 reads fill values instead. "
                f"Received: {label}, with values in {name!r}, which is missing. Put it there."
            )


class Hdf5Array:
    """A dataset in an HDF5 file."""

    def __init__(self, dataset: "h5py.Dataset", label: str, url: str) -> None:
        # Read strings, which can be group keys, as str and not as bytes. Bytes that are not valid
        # UTF-8 are escaped, as in Arrow strings.
        is_text = _is_text(dataset)
        self._dataset = dataset.asstr(errors="surrogateescape") if is_text else dataset
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(dataset.shape or ())
        self.dtype: AnyDtype = dataset.dtype
        self.chunks: tuple[int, ...] | None = dataset.chunks

    def read(self, slices: Slices) -> AnyArray:
        """Return the values in a range of each axis."""
        check_slices(slices, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._dataset[slices])


def _is_text(dataset: "h5py.Dataset") -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None
