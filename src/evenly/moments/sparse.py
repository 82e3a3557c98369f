"""The sums of the columns of a sparse matrix; zeros that are not stored are only counted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core

Weights = npt.NDArray[np.float64] | None


def sparse_state(
    columns: Any,
    weights: Weights,
    *,
    infinite_as_missing: bool = False,
    threads: int = 0,
    bins: int = 0,
) -> tuple[_core.State, tuple[int, int] | None]:
    """Return the exact sums of the columns of a CSC matrix, including zeros.

    Parameters
    ----------
    columns
        A CSC matrix without duplicate entries. A stored NaN is missing.
    weights
        The weight of each row.
    bins
        The maximum number of bins of the distributions; 0 for none.

    Returns
    -------
    state
        The sums, which are useless if there is an infinity.
    infinity
        The row and the column of an infinity, or None.
    """
    state = _core.State(columns.shape[1], bins=bins)
    starts = columns.indptr.astype(np.int64)
    stored_weights = None if weights is None else weights[columns.indices]
    infinity = state.update_slices(
        columns.data, starts, stored_weights, infinite_as_missing, threads
    )
    if infinity is not None:
        index, column = infinity
        return state, (int(columns.indices[index]), column)
    state.fill_with_zeros(_count_rows(columns.shape[0], weights))
    state.rows = columns.shape[0]
    return state, None


def _count_rows(num_rows: int, weights: Weights) -> _core.State:
    """Return the state of a column without missing rows."""
    state = _core.State(1)
    if weights is None:
        state.set_column(0, (num_rows, 0), (0, 0), (0, 0), (0, 0), 0.0, 0.0)
    else:
        state.update(np.zeros((num_rows, 1), np.uint8), -1, weights)
    return state
