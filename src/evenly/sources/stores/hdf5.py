"""Read HDF5 datasets and groups; NetCDF 4 files are HDF5 as well."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import extras
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.array_source import StoredArray, check_slices
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.fill_values import mask_fill_values

MAGIC = b"\x89HDF\r\n\x1a\n"


def open_path(file: Any, label: str, url: str = "") -> Any:
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


def arrays(x: Any, label: str, url: str = "") -> dict[str, StoredArray]:
    """Return the datasets by their paths in a group; the path of a single dataset is empty."""
    with decode_errors(label, corrupt_store_error, url=url):
        return _arrays(x, label, url)


def _arrays(x: Any, label: str, url: str) -> dict[str, StoredArray]:
    import h5py

    if isinstance(x, h5py.Dataset):
        return {"": _as_stored(x, label, url)}
    stored: dict[str, StoredArray] = {}

    def visit(name: str, member: Any) -> None:
        if isinstance(member, h5py.Dataset) and member.shape:
            stored[name] = _as_stored(member, f"{label}/{name}", url)

    x.visititems(visit)
    return stored


def label_of(x: Any) -> str:
    """Return the name of an object for messages."""
    return f"{x.file.filename}{x.name}".rstrip("/")


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _as_stored(dataset: Any, label: str, url: str) -> StoredArray:
    return mask_fill_values(Hdf5Array(dataset, label, url), dataset.attrs, label)


class Hdf5Array:
    """A dataset in an HDF5 file."""

    def __init__(self, dataset: Any, label: str, url: str) -> None:
        # Read strings, which can be group keys, as str and not as bytes. Bytes that are not valid
        # UTF-8 are escaped, as in Arrow strings.
        is_text = _is_text(dataset)
        self._dataset = dataset.asstr(errors="surrogateescape") if is_text else dataset
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(dataset.shape or ())
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] | None = dataset.chunks

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""
        check_slices(slices, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._dataset[slices])
