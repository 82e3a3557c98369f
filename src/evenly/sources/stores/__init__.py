"""Read chunked arrays of Zarr, HDF5 and xarray."""

from typing import Any

from evenly.sources.options import ReadOptions
from evenly.sources.stores import hdf5, xarray, zarr
from evenly.sources.stores.contents import open_store

__all__ = ["hdf5", "is_stored", "open_store", "open_stored", "zarr"]

_LIBRARIES = (zarr, hdf5, xarray)


def is_stored(x: Any) -> bool:
    """Return whether an object is an array or a group of arrays in a store."""
    return any(library.matches(x) for library in _LIBRARIES)


def open_stored(x: Any, request: ReadOptions) -> Any:
    """Open an array or a group as a source of blocks or as a `Table`."""
    library = next(library for library in _LIBRARIES if library.matches(x))
    return open_store(library.Store(x, library.label_of(x)), request)
