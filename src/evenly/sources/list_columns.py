"""Convert columns of Arrow lists of equal length to arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, UnsupportedTypeError


def lists_to_array(column: Any, name: str, label: str) -> npt.NDArray[Any]:
    """Convert a PyArrow array of lists to a NumPy array: rows first, then the list axes.

    Missing numbers become NaN.

    Raises
    ------
    DataError
        If a list is missing, or the lists differ in length.
    UnsupportedTypeError
        If the lists do not hold numbers.
    """
    values, shape = _storage(column), [len(column)]
    while hasattr(values.type, "value_type") and not hasattr(values.type, "index_type"):
        if values.null_count:
            raise _ragged_error(name, label, "a missing list")
        shape.append(_length(values, name, label))
        values = _storage(values.flatten())
    if not _is_number(values.type):
        raise UnsupportedTypeError(
            "A selected column must hold numbers or lists of numbers. "
            f"Received: {name!r} of {label}, of type {column.type}. Convert it first."
        )
    return values.to_numpy(zero_copy_only=False).reshape(shape)  # type: ignore[no-any-return]


def _storage(array: Any) -> Any:
    """Return the storage of an extension array, such as Hugging Face's Array2D."""
    return array.storage if hasattr(array, "storage") else array


def _length(lists: Any, name: str, label: str) -> int:
    """Return the common length of the lists."""
    if hasattr(lists.type, "list_size"):
        return int(lists.type.list_size)
    lengths = np.diff(lists.offsets.to_numpy())
    if len(lengths) and lengths.min() != lengths.max():
        raise _ragged_error(name, label, f"lengths from {lengths.min()} to {lengths.max()}")
    return int(lengths[0]) if len(lengths) else 0


def _is_number(dtype: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(dtype) or types.is_floating(dtype) or types.is_boolean(dtype))


def _ragged_error(name: str, label: str, received: str) -> DataError:
    return DataError(
        "All lists in a column must have the same length. "
        f"Received: {name!r} of {label}, with {received}. Truncate or pad them, or pass them one "
        "by one from a generator."
    )
