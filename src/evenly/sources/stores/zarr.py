"""Zarr: arrays and groups, in folders, zip files, and wherever fsspec leads."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import extras
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.array_source import StoredArray, check_slices
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.fill_values import mask_fill_values

MARKS = ("zarr.json", ".zgroup", ".zarray")
"""The files of which a store has one: of version 3, or of version 2."""


def matches(x: Any) -> bool:
    """Whether something is a Zarr array or group."""
    zarr = sys.modules.get("zarr")
    return zarr is not None and isinstance(x, zarr.Array | zarr.Group)


def open_path(path: str, label: str, url: str = "") -> Any:
    """Return the array or group in a folder, a zip file or a URL, for reading.

    Parameters
    ----------
    path
        Path or URL.
    label
        Its name, for messages, without secrets.
    url
        The URL that is read, whose secrets are masked in the messages of libraries.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    zarr = extras.require("zarr", extra="zarr", feature="Reading Zarr")
    store = path
    with decode_errors(label, corrupt_store_error, url=url):
        if "://" not in path and path.endswith(".zip"):
            store = zarr.storage.ZipStore(path, mode="r")
        return zarr.open(store, mode="r")


def arrays(x: Any, label: str, url: str = "") -> dict[str, StoredArray]:
    """Return the arrays by their paths below a group; one that was given itself has none."""
    with decode_errors(label, corrupt_store_error, url=url):
        return _arrays(x, label, url)


def _arrays(x: Any, label: str, url: str) -> dict[str, StoredArray]:
    import zarr

    if isinstance(x, zarr.Array):
        return {"": _stored(x, label, url)}
    found = x.members(max_depth=None)
    members = sorted((name, member) for name, member in found if isinstance(member, zarr.Array))
    return {
        name: _stored(member, f"{label}/{name}", url) for name, member in members if member.shape
    }


def label_of(x: Any) -> str:
    """Return what messages call it."""
    return f"the Zarr {type(x).__name__.lower()} {x.name or '/'}"


def _stored(array: Any, label: str, url: str) -> StoredArray:
    return mask_fill_values(ZarrArray(array, label, url), array.attrs, label)


class ZarrArray:
    """A Zarr array; Zarr decodes the chunks of a box side by side."""

    def __init__(self, array: Any, label: str, url: str) -> None:
        self._array = array
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] | None = tuple(array.chunks)

    def read(self, box: Slices) -> npt.NDArray[Any]:
        """Return the values in a box."""
        check_slices(box, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._array[box])
