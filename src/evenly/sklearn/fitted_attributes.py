"""Attributes of a fitted scaler, all computed from ``moments_``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Never

import numpy as np

from evenly.sklearn import array_api


class FittedAttribute:
    """Compute an attribute from ``moments_``; it does not exist before a fit.

    Parameters
    ----------
    read
        Function that computes the NumPy value from the scaler. Its docstring becomes the
        attribute's. After a fit on another library's array (array API dispatch) the value
        is converted to that library, on the same device.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, scaler: object, owner: type) -> Any:
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

    def __set__(self, scaler: object, value: object) -> Never:
        raise AttributeError(
            f"{self._name} is computed from moments_ and cannot be set. Received: "
            f"{type(value).__name__}. Create a scaler with {type(scaler).__name__}.from_moments; "
            "to set statistics by hand, use scikit-learn's scaler."
        )


def n_samples_seen(scaler: Any) -> Any:
    """Return ``n_samples_seen_``: a scalar if all columns have the same count.

    Counts are int64, and float64 after a fit with weights, as scikit-learn documents.
    """
    count = scaler.moments_.count
    if vars(scaler).get("_weighted"):
        count = count.astype(np.float64)
    return count[0] if (count == count[0]).all() else count


def scale(scaler: Any) -> Any:
    """Return ``scale_``: the standard deviation, or 1 for a constant column."""
    if not scaler.with_std:
        return None
    std = scaler.moments_.std()
    std[scaler.moments_.nearly_constant(scaler.tolerance)] = 1.0
    return std


@contextmanager
def fit_callbacks(
    scaler: object, x: object, y: object, sample_weight: object = None
) -> Iterator[None]:
    """Call scikit-learn's callbacks (1.9 and later) at the start and end of a fit.

    A fit that fails does not call the end callback, as in scikit-learn's own scalers.
    """
    if not hasattr(scaler, "_init_callback_context"):  # before 1.9, and for other scalers
        yield
        return
    metadata = {"sample_weight": sample_weight}
    task = {"estimator": scaler, "X": x, "y": y, "metadata": metadata}
    context = scaler._init_callback_context()
    context.call_on_fit_task_begin(**task)
    yield
    context.call_on_fit_task_end(**task, reconstruction_attributes={})
