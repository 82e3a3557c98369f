"""Find infinities, and report their column and row."""

import math
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config

from evenly import _core
from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments.ingest import core_buffer
from evenly.sklearn.array_api import is_array_api, to_numpy
from evenly.typing import FloatArray

_SMALL = 2**16
"""Values that one thread of NumPy adds up before the core's threads have been woken."""


def check_finite(x: Any, names: ColumnNames) -> None:
    """Raise an error for an infinity, unless scikit-learn's ``assume_finite`` is set.

    The core finds it in one threaded pass that is limited by memory bandwidth.
    """
    if get_config()["assume_finite"]:
        return
    if not is_array_api(x) and x.dtype.kind != "f":
        return
    if type(x) is np.ndarray and x.size <= _SMALL and _has_finite_sum(x):
        return
    values = x.data[:, np.newaxis] if sparse.issparse(x) else to_numpy(x)
    array, dtype = core_buffer(values)
    infinity = _core.State(array.shape[1]).update(array, -1, None, False, 0, dtype)
    if infinity is None:
        return
    row, column = _stored_position(x, infinity[0]) if sparse.issparse(x) else infinity
    raise infinity_error(row, column, names)


def _has_finite_sum(x: FloatArray) -> bool:
    """Return whether the sum of all values is finite; then all of them are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(np.add.reduce(x, axis=None))


def infinity_error(row: int, column: int, names: ColumnNames) -> DataError:
    """Return the error for an infinity; it starts with the text of scikit-learn's."""
    name = column if names is None else repr(names[column])
    return DataError(
        "Input X contains infinity, and every value must be finite or NaN. Received: infinity in "
        f"column {name}, row {row}. Correct it, or replace it by NaN, which counts as missing."
    )


def _stored_position(x: Any, index: int) -> tuple[int, int]:
    """Return the row and column of the stored value ``index`` of a CSR matrix."""
    row = int(np.searchsorted(x.indptr, index, side="right")) - 1
    return row, int(x.indices[index])
