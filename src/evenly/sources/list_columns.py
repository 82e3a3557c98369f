"""Arrow lists as arrays: a column of vectors or matrices that are all of one shape."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, UnsupportedTypeError


def lists_to_array(column: Any, name: str, label: str) -> npt.NDArray[Any]:
    """Return a PyArrow array as one of NumPy: its rows first, then the axes of its lists.

    Numbers that are missing in it become NaN.

    Raises
    ------
    DataError
        When a list is missing, or its length is not that of the others.
    UnsupportedTypeError
        When the lists hold no numbers.
    """
    values, shape = _storage(column), [len(column)]
    while hasattr(values.type, "value_type") and not hasattr(values.type, "index_type"):
        if values.null_count:
            raise _ragged_error(name, label, "a missing one")
        shape.append(_length(values, name, label))
        values = _storage(values.flatten())
    if not _is_number(values.type):
        raise UnsupportedTypeError(
            "A column that is selected must hold numbers, or lists of them. "
            f"Received: {name!r} of {label}, of type {column.type}. Convert it first."
        )
    return values.to_numpy(zero_copy_only=False).reshape(shape)  # type: ignore[no-any-return]


def _storage(array: Any) -> Any:
    """Return the plain array below an extension type, such as Hugging Face's Array2D."""
    return array.storage if hasattr(array, "storage") else array


def _length(lists: Any, name: str, label: str) -> int:
    """Return how long each list is."""
    if hasattr(lists.type, "list_size"):
        return int(lists.type.list_size)
    lengths = np.diff(lists.offsets.to_numpy())
    if len(lengths) and lengths.min() != lengths.max():
        raise _ragged_error(name, label, f"lengths from {lengths.min()} to {lengths.max()}")
    return int(lengths[0]) if len(lengths) else 0


def _is_number(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _ragged_error(name: str, label: str, found: str) -> DataError:
    return DataError(
        "Lists that are rows must all be of one length. "
        f"Received: {name!r} of {label}, with {found}. Cut or pad them, or pass them one by one "
        "from a generator."
    )
