"""CSR and CSC matrices: exact sums of the stored values, and zeros that are only counted."""

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
    """Return the exact moments of the columns of a CSR or CSC matrix, zeros included.

    A NaN that is stored is missing. Entries at the same index are added up first, since
    their sum is the matrix' value there.
    """
    if weights is not None:
        check_weights(weights, 0, "sample_weight")
    columns = _canonical(x)
    state = _core.State(x.shape[1])
    starts = columns.indptr.astype(np.int64)
    some = None if weights is None else weights[columns.indices]
    found = state.update_slices(columns.data, starts, some)
    if found is not None:
        index, column = found
        raise infinity_error(int(columns.indices[index]), column, names)
    state.fill_with_zeros(_rows(x.shape[0], weights))
    dtypes = (dtype_name(x.dtype),) * x.shape[1]
    return Moments(state, names, dtypes, rows=x.shape[0])


def _canonical(x: Any) -> Any:
    """Return a matrix as CSC with no index twice; a matrix that is so already as it is."""
    columns = x.tocsc()
    if columns.has_canonical_format:
        return columns
    columns = columns.copy() if columns is x else columns
    columns.sum_duplicates()
    return columns


def _rows(count: int, weights: Weights) -> _core.State:
    """Return the state of a column of which every row is there."""
    rows = _core.State(1)
    if weights is None:
        rows.set_column(0, (count, 0), (0, 0), (0, 0), (0, 0), 0.0, 0.0)
    else:
        rows.update(np.zeros((count, 1), np.uint8), -1, weights)
    return rows


def scale(x: Any, scaling: Scaling, *, in_place: bool) -> Any:
    """Return a CSR matrix with its stored values multiplied, column by column.

    With ``in_place`` it is ``x`` itself, if that is of floats.
    """
    floating = x.dtype.kind == "f"
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # silent, as the kernel is
        data = _scaled(x, scaling)
        data = data.astype(x.dtype if floating else np.float64, copy=False)
    if in_place and floating:
        x.data[:] = data
        return x
    pattern = x.indices.copy(), x.indptr.copy()
    return type(x)((data, *pattern), shape=x.shape)


def _scaled(x: Any, scaling: Scaling) -> npt.NDArray[np.float64]:
    """Return the stored values times the factors of their columns (of ``x * 2**power``)."""
    factor = scaling.factor[x.indices]
    if scaling.power is None:
        return np.multiply(x.data, factor, out=factor)
    power = scaling.power[x.indices]
    if scaling.inverse:
        return np.ldexp(x.data * factor, -power)
    return np.ldexp(x.data.astype(np.float64), power) * factor
