"""Arrays that the core can read: aligned, and in native byte order."""

from typing import Any

import numpy as np


def is_native(array: Any) -> bool:
    """Return whether the core can read the array: native byte order, aligned."""
    return not isinstance(array, np.ndarray) or (array.dtype.isnative and array.flags.aligned)


def to_native(array: Any) -> Any:
    """Return an array that the core can read, copied only if necessary."""
    if is_native(array):
        return array
    return array.astype(array.dtype.newbyteorder("="), order="C")
