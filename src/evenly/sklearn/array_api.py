"""Arrays of other libraries, which arrive when scikit-learn's array API dispatch is on.

Sums are exact only where the core makes them: data on another device is copied to the host
to be fitted. Tensors are scaled where they are; other arrays on the host, and go back.
"""

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils._array_api import _convert_to_numpy, get_namespace

from evenly.dispatch import container_kind
from evenly.sources.arrays import as_array


def is_array_api(x: Any) -> bool:
    """Whether validated data is another library's array: neither NumPy's nor sparse."""
    return not isinstance(x, np.ndarray) and not hasattr(x, "tocsr")


def to_numpy(x: Any) -> Any:
    """Return any array as one of NumPy or as a CPU tensor."""
    if isinstance(x, np.ndarray) or container_kind(x) == "tensor":
        return as_array(x, "X")
    with config_context(array_api_dispatch=True):
        xp, _ = get_namespace(x)
        return _convert_to_numpy(x, xp)


def prototype(x: Any) -> Any:
    """Return an array of no rows that remembers library, device and dtype; None for NumPy."""
    return x[:0, ...] if is_array_api(x) else None


def to_namespace(value: Any, like: Any) -> Any:
    """Return a NumPy value as an array of the library, and on the device, of ``prototype``."""
    with config_context(array_api_dispatch=True):
        xp, _ = get_namespace(like)
        return xp.asarray(np.asarray(value), device=like.device)
