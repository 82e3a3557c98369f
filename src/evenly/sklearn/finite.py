"""Infinities: found at the speed of memory, and named by column and row."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config

from evenly import _core
from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments.ingest import as_core_buffer
from evenly.sklearn.array_api import is_array_api, to_numpy


def check_finite(x: Any, names: ColumnNames) -> None:
    """Raise for an infinity, as scikit-learn does unless it may assume that there is none.

    The core finds it in one threaded pass, at the speed of memory.
    """
    if get_config()["assume_finite"]:
        return
    if not is_array_api(x) and x.dtype.kind != "f":
        return
    values = x.data[:, np.newaxis] if sparse.issparse(x) else to_numpy(x)
    array, dtype = as_core_buffer(values)
    found = _core.State(array.shape[1]).update(array, -1, None, False, 0, dtype)
    if found is None:
        return
    row, column = _position_of(x, found[0]) if sparse.issparse(x) else found
    raise infinity_error(row, column, names)


def infinity_error(row: int, column: int, names: ColumnNames) -> DataError:
    """Return the error for an infinity; it begins as scikit-learn's does."""
    name = column if names is None else repr(names[column])
    return DataError(
        "Input X contains infinity, and every value must be finite or NaN. Received: infinity in "
        f"column {name}, row {row}. Correct it, or put NaN, which counts as missing."
    )


def _position_of(x: Any, stored: int) -> tuple[int, int]:
    """Return row and column of the stored value of that number, of a CSR matrix."""
    row = int(np.searchsorted(x.indptr, stored, side="right")) - 1
    return row, int(x.indices[stored])
