"""Factorize the keys of the ``by=`` argument: parts of batches, or an array of keys."""

from typing import Any

import numpy as np

from evenly.block import GroupKeys
from evenly.errors import DataError
from evenly.sources.arrow_group_keys import factorize_series
from evenly.sources.group_keys import cross_keys, factorize_numpy, factorize_objects
from evenly.sources.group_names import GroupBy
from evenly.sources.pandas_frames import pandas_keys
from evenly.typing import AnyArray


def keys_from_batch(batch: Any, names: GroupBy) -> GroupKeys:
    """Return the group keys that are parts of a batch."""
    return cross_keys([_keys(batch[name]) for name in names])


def _keys(part: object) -> GroupKeys:
    """Return one key per row; a sample has one key."""
    single = (
        isinstance(part, str) or not hasattr(part, "__len__") or getattr(part, "shape", 1) == ()
    )
    return factorize_objects([part]) if single else factorize_array(part)


def factorize_array(x: object) -> GroupKeys:
    """Factorize an array, a tensor, a series or a list with one key per row.

    Raises
    ------
    DataError
        When it has more than one dimension.
    UnsupportedTypeError
        When a value cannot be a key.
    """
    if isinstance(x, GroupKeys):
        return x
    if isinstance(x, str | bytes) or not hasattr(x, "__len__"):
        raise DataError(
            f"by= must have one key per row, as an array or a list. Received: {x!r}. "
            "A text names a column, which only frames and files have."
        )
    if hasattr(x, "detach"):  # a tensor that requires grad turns into no array
        x = x.detach().cpu()
    if hasattr(x, "factorize"):  # pandas
        return pandas_keys(x)
    if hasattr(x, "__arrow_c_stream__") or hasattr(x, "__arrow_c_array__"):
        return factorize_series(x)
    array = x if hasattr(x, "__array__") or hasattr(x, "__array_interface__") else _objects(x)
    array = np.asanyarray(array)
    if array.ndim != 1:
        raise DataError(
            "by= must have one key per row, or be names of columns. "
            f"Received: {type(x).__name__} of shape {array.shape}."
        )
    return factorize_numpy(array)


def _objects(x: Any) -> AnyArray:
    """Return a list as an object array; NumPy would convert 1 to text next to text."""
    values = list(x)
    result = np.empty(len(values), object)
    result[:] = values
    return result
