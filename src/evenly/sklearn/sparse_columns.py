"""Fit and scale CSR and CSC matrices; zeros are only counted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import dtype_name
from evenly.columns import ColumnNames
from evenly.moments import Moments
from evenly.moments.sparse import Weights, sparse_state
from evenly.sklearn.finite import infinity_error
from evenly.sources.sparse import canonical
from evenly.sources.weights import check_weights
from evenly.transform import Scaling


def moments_of(x: Any, weights: Weights, names: ColumnNames, bins: int = 0) -> Moments:
    """Return the exact moments of the columns of a CSR or CSC matrix, including zeros."""
    if weights is not None:
        check_weights(weights, 0, "sample_weight")
    state, infinity = sparse_state(canonical(x), weights, bins=bins)
    if infinity is not None:
        raise infinity_error(*infinity, names)
    dtypes = (dtype_name(x.dtype),) * x.shape[1]
    return Moments(state, names, dtypes, rows=x.shape[0])


def scale(x: Any, scaling: Scaling, *, in_place: bool) -> Any:
    """Multiply the stored values of a CSR or CSC matrix by the factors of their columns.

    With ``in_place`` the result is ``x`` itself if its values are floats.
    """
    floating = x.dtype.kind == "f"
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # like the dense kernel
        data = _scale_stored(x, scaling)
        data = data.astype(x.dtype if floating else np.float64, copy=False)
    if scaling.clip is not None:
        data = np.clip(data, *scaling.clip)
    if in_place and floating:
        x.data[:] = data
        return x
    return type(x)((data, x.indices.copy(), x.indptr.copy()), shape=x.shape)


def _scale_stored(x: Any, scaling: Scaling) -> npt.NDArray[np.float64]:
    """Multiply the stored values by the factors of their columns."""
    columns = (
        x.indices if x.format == "csr" else np.repeat(np.arange(x.shape[1]), np.diff(x.indptr))
    )
    factor = scaling.factor[columns]
    if scaling.power is None:
        return np.multiply(x.data, factor, out=factor)
    power = scaling.power[columns]
    if scaling.inverse:
        return np.ldexp(x.data * factor, -power)
    return np.ldexp(x.data.astype(np.float64), power) * factor
