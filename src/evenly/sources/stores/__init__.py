"""Read chunked arrays of Zarr, HDF5 and xarray."""

from typing import Any

from evenly.dispatch import stored_library
from evenly.sources.opener import SourceOpener
from evenly.sources.source import Source
from evenly.sources.stores import hdf5, xarray, zarr
from evenly.sources.stores.contents import open_store

__all__ = ["hdf5", "open_store", "open_stored", "zarr"]


def open_stored(x: object, label: str, opener: SourceOpener) -> Source:
    """Open an array or a group in a store."""
    library: Any = {"zarr": zarr, "hdf5": hdf5, "xarray": xarray}[stored_library(x) or ""]
    label = library.label_of(x)
    return opener.as_source(open_store(library.Store(x, label), opener.options))
