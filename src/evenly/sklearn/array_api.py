"""Support arrays of other libraries through scikit-learn's array API dispatch.

Only the core computes exact sums, so data on another device is copied to the CPU to be
fitted. Tensors are scaled on their own device; other arrays are scaled on the CPU and
copied back.
"""

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils._array_api import _convert_to_numpy, get_namespace

from evenly.dispatch import container_kind
from evenly.sources.native_arrays import as_array


def is_array_api(x: object) -> bool:
    """Return whether validated data is neither a NumPy array nor a sparse matrix."""
    return not isinstance(x, np.ndarray) and not hasattr(x, "tocsr")


def to_numpy(x: object) -> Any:
    """Return any array as a NumPy array or a CPU tensor."""
    if isinstance(x, np.ndarray) or container_kind(x) == "tensor":
        return as_array(x, "X", has_select=False)
    with config_context(array_api_dispatch=True):
        xp, _ = get_namespace(x)
        return _convert_to_numpy(x, xp)


def prototype(x: Any) -> Any:
    """Return an empty array of x's library, device and dtype; None for NumPy."""
    return x[:0, ...] if is_array_api(x) else None


def to_namespace(value: Any, like: Any) -> Any:
    """Convert a NumPy value to the library and the device of ``like``."""
    with config_context(array_api_dispatch=True):
        xp, _ = get_namespace(like)
        return xp.asarray(np.asarray(value), device=like.device)
