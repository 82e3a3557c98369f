"""Fit and scale CSR and CSC matrices; zeros are only counted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import dtype_name
from evenly.columns import ColumnNames
from evenly.moments import Moments
from evenly.sklearn.finite import infinity_error
from evenly.sources.weights import check_weights
from evenly.transform import Scaling

Weights = npt.NDArray[np.float64] | None


def moments_of(x: Any, weights: Weights, names: ColumnNames) -> Moments:
    """Return the exact moments of the columns of a CSR or CSC matrix, including zeros.

    A stored NaN is missing. Duplicate entries are added first, since their sum is the value
    of the matrix at that position.
    """
    if weights is not None:
        check_weights(weights, 0, "sample_weight")
    columns = _canonical(x)
    state = _core.State(x.shape[1])
    starts = columns.indptr.astype(np.int64)
    stored_weights = None if weights is None else weights[columns.indices]
    infinity = state.update_slices(columns.data, starts, stored_weights)
    if infinity is not None:
        index, column = infinity
        raise infinity_error(int(columns.indices[index]), column, names)
    state.fill_with_zeros(_count_rows(x.shape[0], weights))
    dtypes = (dtype_name(x.dtype),) * x.shape[1]
    return Moments(state, names, dtypes, rows=x.shape[0])


def _canonical(x: Any) -> Any:
    """Return a matrix as CSC without duplicate entries; do not copy it needlessly."""
    columns = x.tocsc()
    if columns.has_canonical_format:
        return columns
    columns = columns.copy() if columns is x else columns
    columns.sum_duplicates()
    return columns


def _count_rows(num_rows: int, weights: Weights) -> _core.State:
    """Return the state of a column without missing rows."""
    state = _core.State(1)
    if weights is None:
        state.set_column(0, (num_rows, 0), (0, 0), (0, 0), (0, 0), 0.0, 0.0)
    else:
        state.update(np.zeros((num_rows, 1), np.uint8), -1, weights)
    return state


def scale(x: Any, scaling: Scaling, *, in_place: bool) -> Any:
    """Multiply the stored values of a CSR matrix by the factors of their columns.

    With ``in_place`` the result is ``x`` itself if its values are floats.
    """
    floating = x.dtype.kind == "f"
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # like the dense kernel
        data = _scale_stored(x, scaling)
        data = data.astype(x.dtype if floating else np.float64, copy=False)
    if in_place and floating:
        x.data[:] = data
        return x
    return type(x)((data, x.indices.copy(), x.indptr.copy()), shape=x.shape)


def _scale_stored(x: Any, scaling: Scaling) -> npt.NDArray[np.float64]:
    """Multiply the stored values by the factors of their columns."""
    factor = scaling.factor[x.indices]
    if scaling.power is None:
        return np.multiply(x.data, factor, out=factor)
    power = scaling.power[x.indices]
    if scaling.inverse:
        return np.ldexp(x.data * factor, -power)
    return np.ldexp(x.data.astype(np.float64), power) * factor
