"""Arrays that lie in chunks, in files or objects: which library's, and what is fitted of them."""

from typing import Any

from evenly.sources.options import ReadOptions
from evenly.sources.stores import hdf5, xarray, zarr
from evenly.sources.stores.contents import open_arrays

__all__ = ["hdf5", "is_stored", "open_arrays", "open_stored", "zarr"]

_KINDS = (zarr, hdf5, xarray)


def is_stored(x: Any) -> bool:
    """Whether something is an array, or a group of arrays, in a store."""
    return any(kind.matches(x) for kind in _KINDS)


def open_stored(x: Any, request: ReadOptions) -> Any:
    """Return it as a source of blocks or as a `Table`."""
    kind = next(kind for kind in _KINDS if kind.matches(x))
    label = kind.label_of(x)
    return open_arrays(kind.arrays(x, label), request, label=label)
