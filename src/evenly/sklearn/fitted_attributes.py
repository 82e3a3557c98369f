"""The attributes that a fitted scaler has: nothing of its own, all read from ``moments_``."""

from collections.abc import Callable
from typing import Any, Never

import numpy as np

from evenly.sklearn import array_api


class FittedAttribute:
    """An attribute that is read from ``moments_``, and is not there before a fit.

    Parameters
    ----------
    read
        What returns its value from the scaler, as NumPy has it. Its docstring is the
        attribute's. After a fit on another library's array (array API dispatch) the value
        becomes one of that library's, on the same device.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read
        self.__doc__ = read.__doc__
        self._name = read.__name__

    def __get__(self, scaler: Any, owner: type) -> Any:
        if scaler is None:
            return self
        if "moments_" not in vars(scaler):
            raise AttributeError(
                f"{owner.__name__!r} object has no attribute {self._name!r} before it is fitted. "
                "Call fit first."
            )
        value = self._read(scaler)
        like = vars(scaler).get("_like")
        return value if like is None or value is None else array_api.to_namespace(value, like)

    def __set__(self, scaler: Any, value: Any) -> Never:
        raise AttributeError(
            f"{self._name} is read from moments_, and cannot be set. Received: "
            f"{type(value).__name__}. Make a scaler with StandardScaler.from_moments; for numbers "
            "that came from elsewhere, take scikit-learn's."
        )


def n_samples_seen(scaler: Any) -> Any:
    """Return ``n_samples_seen_``: one number where all columns have the same.

    Whole numbers are int64, and float64 after a fit with weights, as scikit-learn says.
    """
    count = scaler.moments_.count
    if vars(scaler).get("_weighted"):
        count = count.astype(np.float64)
    return count[0] if (count == count[0]).all() else count


def scale(scaler: Any) -> Any:
    """Return ``scale_``: the standard deviation, and 1 for a constant column."""
    if not scaler.with_std:
        return None
    std = scaler.moments_.std()
    std[scaler.moments_.constant] = 1.0
    return std
