"""Read Zarr arrays and groups from folders, zip files and fsspec URLs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import extras
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.array_source import StoredArray, check_slices
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.fill_values import mask_fill_values
from evenly.sources.urls import storage_options_of


def open_path(path: str, label: str, url: str = "") -> Any:
    """Open the array or group in a folder, a zip file or a URL for reading.

    Parameters
    ----------
    path
        Path or URL.
    label
        The name of the store without secrets, for messages.
    url
        The URL of the store. Its secrets are masked in the messages of libraries.

    Raises
    ------
    SourceError
        If the store cannot be read.
    """
    zarr = extras.require("zarr", extra="zarr", feature="Reading Zarr")
    store = path
    with decode_errors(label, corrupt_store_error, url=url):
        if "://" not in path and path.endswith(".zip"):
            store = zarr.storage.ZipStore(path, mode="r")
        options = storage_options_of(path)
        return zarr.open(store, mode="r", storage_options=options or None)


def arrays(x: Any, label: str, url: str = "") -> dict[str, StoredArray]:
    """Return the arrays by their paths in a group; the path of a single array is empty."""
    with decode_errors(label, corrupt_store_error, url=url):
        return _arrays(x, label, url)


def _arrays(x: Any, label: str, url: str) -> dict[str, StoredArray]:
    import zarr

    if isinstance(x, zarr.Array):
        return {"": _as_stored(x, label, url)}
    members = sorted(
        (name, member)
        for name, member in x.members(max_depth=None)
        if isinstance(member, zarr.Array)
    )
    return {
        name: _as_stored(member, f"{label}/{name}", url) for name, member in members if member.shape
    }


def label_of(x: Any) -> str:
    """Return the name of an object for messages."""
    return f"the Zarr {type(x).__name__.lower()} {x.name or '/'}"


def _as_stored(array: Any, label: str, url: str) -> StoredArray:
    return mask_fill_values(ZarrArray(array, label, url), array.attrs, label)


class ZarrArray:
    """A Zarr array, whose chunks Zarr decodes in parallel."""

    def __init__(self, array: Any, label: str, url: str) -> None:
        self._array = array
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] | None = tuple(array.chunks)

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""
        check_slices(slices, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._array[slices])
