"""What a scaler is given: checked as scikit-learn checks it, but neither converted nor copied.

scikit-learn makes float64 of integers before it looks at them: eight times the memory of
uint8. The core reads every dtype as it is, so only what it cannot read is converted.
"""

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

FLOATS = (np.float64, np.float32, np.float16)
"""The dtypes that scikit-learn's scaler keeps; the first is what others become."""


def validate_fit(scaler: Any, x: Any, *, reset: bool) -> Any:
    """Return ``x`` as a dense array, CSR or CSC; names and number of features are checked.

    With ``reset`` they are noted instead: it is the first batch.
    """
    return validate_data(
        scaler,
        x,
        reset=reset,
        accept_sparse=("csr", "csc"),
        dtype=_conversion(x),
        ensure_all_finite=False,  # the core looks at every value anyway
    )


def validate_transform(scaler: Any, x: Any) -> Any:
    """Return ``x`` as a dense array or CSR, checked to be of the features that were fitted."""
    x = validate_data(
        scaler,
        x,
        reset=False,
        accept_sparse="csr",
        dtype=_conversion(x),
        ensure_all_finite=False,
    )
    check_finite(x, scaler.moments_.columns)
    return x


def validate_inverse(scaler: Any, x: Any) -> Any:
    """Return ``x`` likewise; scikit-learn looks at no names on the way back."""
    x = check_array(
        x,
        accept_sparse="csr",
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


def _conversion(x: Any) -> Any:
    """Return scikit-learn's ``dtype=``: None where the core can read the data as it is.

    A frame of one NumPy dtype is one array too; of several, pandas would make objects.
    """
    if get_config()["array_api_dispatch"] and hasattr(x, "__dlpack__"):
        return None if array_api.is_array_api(x) or _readable(x.dtype) else FLOATS
    dtype = getattr(x, "dtype", None)
    dtypes = {dtype} if dtype is not None else set(getattr(x, "dtypes", ()))
    return None if len(dtypes) == 1 and _readable(*dtypes) else FLOATS


def _readable(dtype: Any) -> bool:
    if not isinstance(dtype, np.dtype):
        return False
    return dtype.kind in "iub" or dtype in FLOATS


def moments_of(x: Any, weights: npt.NDArray[np.float64] | None, names: ColumnNames) -> Moments:
    """Return the exact moments of validated data.

    Raises
    ------
    DataError
        For an infinity, by its column and row, and for weights below 0.
    """
    if sparse.issparse(x):
        return sparse_columns.moments_of(x, weights, names)
    moments = Moments.empty(x.shape[1] if names is None else names)
    try:
        return moments.update(Block(names, array_api.to_numpy(x), weights=weights, label="X"))
    except DataError:
        check_finite(x, names)  # says it in the words of this room
        raise


def check_sparse(x: Any, *, with_mean: bool, verb: str) -> None:
    """Raise for a sparse matrix that would have to be centred, in scikit-learn's words."""
    if with_mean and sparse.issparse(x):
        raise DataError(
            f"Cannot {verb} sparse matrices: pass `with_mean=False` instead. "
            f"Received: {type(x).__name__} of shape {x.shape}, whose zeros would all be stored."
        )
