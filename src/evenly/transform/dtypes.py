"""Which floating type the result has, by name."""

from typing import Any

import numpy as np

from evenly.errors import UnsupportedTypeError

FLOATS = ("float16", "bfloat16", "float32", "float64")


def result_dtype(given: str, asked: Any = None) -> str:
    """Return the name of the result's dtype, for an input dtype and a ``dtype=`` option.

    A floating input keeps its type; integers and booleans become float32. ``asked`` may
    be a name, a NumPy dtype or type, or a torch dtype.

    >>> result_dtype("float16"), result_dtype("uint8"), result_dtype("uint8", "float64")
    ('float16', 'float32', 'float64')
    """
    if asked is None:
        return given if given in FLOATS else "float32"
    name = str(asked).removeprefix("torch.")
    if name not in FLOATS:
        try:
            name = np.dtype(asked).name
        except TypeError:
            name = ""
    if name not in FLOATS:
        raise UnsupportedTypeError(
            f"dtype must be one of {', '.join(FLOATS)}. Received: {asked!r}. "
            "Leave it away to keep the type of floating input, and to get float32 for integers."
        )
    return name
