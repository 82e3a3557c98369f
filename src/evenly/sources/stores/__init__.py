"""Arrays that lie in chunks, in files or objects: which library's, and what is fitted of them."""

from typing import Any

from evenly.sources.options import Request
from evenly.sources.stores import hdf5, xarray, zarr
from evenly.sources.stores.contents import open_contents

__all__ = ["hdf5", "is_stored", "open_contents", "open_stored", "zarr"]

_KINDS = (zarr, hdf5, xarray)


def is_stored(x: Any) -> bool:
    """Whether something is an array, or a group of arrays, in a store."""
    return any(kind.owns(x) for kind in _KINDS)


def open_stored(x: Any, request: Request) -> Any:
    """Return it as a source of blocks or as a `Table`."""
    kind = next(kind for kind in _KINDS if kind.owns(x))
    place = kind.place_of(x)
    return open_contents(kind.arrays(x, place), request, place=place)
