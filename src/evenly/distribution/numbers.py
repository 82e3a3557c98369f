"""Numbers that are passed to the methods of distributions."""

import numpy as np
import numpy.typing as npt

from evenly.distribution.bins import Floats


def as_floats(x: npt.ArrayLike) -> Floats | None:
    """Return numbers as float64; None for text, booleans, times and missing objects.

    >>> as_floats([1, 2.5])
    array([1. , 2.5])
    >>> as_floats("0.5") is None
    True
    """
    try:
        given = np.asarray(x)
        if given.dtype.kind == "O" and not all(
            hasattr(value, "as_integer_ratio") for value in given.flat
        ):
            return None
        return given.astype(np.float64) if given.dtype.kind in "iufO" else None
    except (TypeError, ValueError, OverflowError):
        return None
