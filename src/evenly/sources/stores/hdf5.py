"""HDF5: datasets and groups of files; NetCDF 4 is HDF5 too."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import extras
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.array_source import StoredArray, check_slices
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.fill_values import mask_fill_values

MAGIC = b"\x89HDF\r\n\x1a\n"


def matches(x: Any) -> bool:
    """Whether something is a dataset, a group or a file of h5py."""
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(x, h5py.Dataset | h5py.Group)


def open_path(file: Any, label: str, url: str = "") -> Any:
    """Return the file at a path, or an open one, for reading.

    Parameters
    ----------
    file
        Path, or an open file.
    label
        Its name, for messages, without secrets.
    url
        The URL that is read, whose secrets are masked in the messages of libraries.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    h5py = extras.require("h5py", extra="hdf5", feature="Reading HDF5")
    with decode_errors(label, corrupt_store_error, url=url):
        return h5py.File(file, "r")


def arrays(x: Any, label: str, url: str = "") -> dict[str, StoredArray]:
    """Return the datasets by their paths below a group; one that was given itself has none."""
    with decode_errors(label, corrupt_store_error, url=url):
        return _arrays(x, label, url)


def _arrays(x: Any, label: str, url: str) -> dict[str, StoredArray]:
    import h5py

    if isinstance(x, h5py.Dataset):
        return {"": _stored(x, label, url)}
    found: dict[str, StoredArray] = {}

    def visit(name: str, member: Any) -> None:
        if isinstance(member, h5py.Dataset) and member.shape:
            found[name] = _stored(member, f"{label}/{name}", url)

    x.visititems(visit)
    return found


def label_of(x: Any) -> str:
    """Return what messages call it."""
    return f"{x.file.filename}{x.name}".rstrip("/")


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _stored(dataset: Any, label: str, url: str) -> StoredArray:
    return mask_fill_values(Hdf5Array(dataset, label, url), dataset.attrs, label)


class Hdf5Array:
    """A dataset in an HDF5 file."""

    def __init__(self, dataset: Any, label: str, url: str) -> None:
        # Texts, which may be keys, as Python's and not as bytes; of those that are not UTF-8
        # the bytes are kept, as in Arrow's texts.
        text = _is_text(dataset)
        self._dataset = dataset.asstr(errors="surrogateescape") if text else dataset
        self._label = label
        self._url = url
        self.shape: tuple[int, ...] = tuple(dataset.shape or ())
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] | None = dataset.chunks

    def read(self, box: Slices) -> npt.NDArray[Any]:
        """Return the values in a box."""
        check_slices(box, self, self._label)
        with decode_errors(self._label, corrupt_store_error, url=self._url):
            return np.asarray(self._dataset[box])
