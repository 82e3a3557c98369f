"""Check the number of features or channels that a layer is created with."""

import operator
from collections.abc import Sized

from torch import Tensor

from evenly.errors import DataError


def as_num_features(number: object, *, minimum: int, advice: str) -> int:
    """Return ``num_features`` as an int, or raise an error that ends with the advice.

    Raises
    ------
    DataError
        If it is not an integer, or less than ``minimum``. Booleans and data are not integers.
    """
    is_data = isinstance(number, bool) or (isinstance(number, Tensor) and number.ndim > 0)
    try:
        value = None if is_data else operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        value = None
    if value is None or value < minimum:
        raise DataError(
            f"num_features must be an integer, {minimum} or more. Received: {describe(number)}. "
            f"{advice}"
        )
    return value


def describe(value: object) -> str:
    """Return a number as text, or the type and shape of another value."""
    if isinstance(value, int | float | None):
        return repr(value)
    if (shape := getattr(value, "shape", None)) is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    length = f" of length {len(value)}" if isinstance(value, Sized) else ""
    return type(value).__name__ + length
