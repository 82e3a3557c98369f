"""Validate a scaler's input like scikit-learn, but without converting it.

scikit-learn converts integers to float64 first, which takes eight times the memory of
uint8. The core reads most dtypes directly, so only the others are converted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn import get_config
from sklearn.utils.validation import check_array, validate_data

from evenly.block import Block
from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments import Moments
from evenly.sklearn import array_api, sparse_columns
from evenly.sklearn.finite import check_finite
from evenly.sources.native_arrays import as_array, is_plain

FLOATS = (np.float64, np.float32, np.float16)
"""The dtypes that scikit-learn's scaler keeps; others become the first."""


def validate_fit(scaler: object, x: object, *, reset: bool) -> Any:
    """Validate ``x`` for fitting; return a dense array, CSR or CSC matrix.

    With ``reset`` (for the first batch) the feature names and the number of features are
    stored, else they are checked.
    """
    x = _without_mask(x)
    return validate_data(
        scaler,
        x,
        reset=reset,
        accept_sparse=("csr", "csc"),
        dtype=_conversion(x),
        ensure_all_finite=False,  # the core checks every value anyway
    )


def validate_transform(scaler: Any, x: Any, *, formats: Sequence[str] = ("csr",)) -> Any:
    """Check that ``x`` has the fitted features; return an array, or a matrix in a format."""
    if not _is_valid(scaler, x):
        x = _without_mask(x)
        x = validate_data(
            scaler,
            x,
            reset=False,
            accept_sparse=formats,
            dtype=_conversion(x),
            ensure_all_finite=False,
        )
    check_finite(x, scaler.moments_.columns)
    return x


def _is_valid(scaler: Any, x: Any) -> bool:
    """Return whether scikit-learn would return an array as it is, without a warning.

    For a single row its checks take ten times as long as scaling the row.
    """
    return (
        type(x) is np.ndarray
        and is_plain(x.dtype)
        and x.ndim == 2
        and len(x) > 0
        and x.shape[1] == scaler.n_features_in_
        and not hasattr(scaler, "feature_names_in_")
    )


def validate_inverse(scaler: Any, x: Any, *, formats: Sequence[str] = ("csr",)) -> Any:
    """Validate ``x`` likewise; scikit-learn ignores feature names in the inverse."""
    x = _without_mask(x)
    x = check_array(
        x,
        accept_sparse=formats,
        dtype=_conversion(x),
        ensure_all_finite=False,
        estimator=scaler,
        input_name="X",
    )
    if x.shape[1] != scaler.n_features_in_:
        raise DataError(
            f"X has {x.shape[1]} features, but {type(scaler).__name__} is expecting "
            f"{scaler.n_features_in_} features as input."
        )
    check_finite(x, scaler.moments_.columns)
    return x


def _without_mask(x: Any) -> Any:
    """Return a masked array with NaN for masked values, which scikit-learn would count."""
    return as_array(x, "X", has_select=False) if isinstance(x, np.ma.MaskedArray) else x


def _conversion(x: Any) -> Any:
    """Return scikit-learn's ``dtype=``: None if the core can read the data directly.

    A frame with a single NumPy dtype becomes one array without conversion; from several
    dtypes pandas would make an object array.
    """
    if get_config()["array_api_dispatch"] and hasattr(x, "__dlpack__"):
        return None if array_api.is_array_api(x) or _is_readable(x.dtype) else FLOATS
    dtype = getattr(x, "dtype", None)
    dtypes = {dtype} if dtype is not None else set(getattr(x, "dtypes", ()))
    return None if len(dtypes) == 1 and _is_readable(*dtypes) else FLOATS


def _is_readable(dtype: object) -> bool:
    if not isinstance(dtype, np.dtype):
        return False
    return dtype.kind in "iub" or dtype in FLOATS


def moments_of(
    x: Any, weights: npt.NDArray[np.float64] | None, names: ColumnNames, bins: int = 0
) -> Moments:
    """Return the exact moments of validated data, with distributions of this many bins.

    Raises
    ------
    DataError
        For an infinity, naming its column and row, and for negative weights.
    """
    if sparse.issparse(x):
        return sparse_columns.moments_of(x, weights, names, bins)
    moments = Moments.empty(x.shape[1] if names is None else names, distribution=bins)
    try:
        return moments.update(Block(names, array_api.to_numpy(x), weights=weights, label="X"))
    except DataError:
        check_finite(x, names)  # raises scikit-learn's message for an infinity
        raise


def check_sparse(x: Any, *, option: str, is_centered: bool, verb: str) -> None:
    """Raise scikit-learn's error for a sparse matrix that would have to be centered.

    Parameters
    ----------
    option
        The parameter of the scaler that says whether it centers.
    """
    if is_centered and sparse.issparse(x):
        raise DataError(
            f"Cannot {verb} sparse matrices: pass `{option}=False` instead. "
            f"Received: {type(x).__name__} of shape {x.shape}, whose zeros would all be stored."
        )
