"""The floating dtype of results, by name."""

import numpy as np

from evenly.errors import UnsupportedTypeError

FLOATS = ("float16", "bfloat16", "float32", "float64")
_SMALL = ("bool", "int8", "int16", "uint8", "uint16")


def result_dtype(given: str, requested: object = None) -> str:
    """Return the name of the dtype of the result.

    Floating input keeps its dtype. Booleans and integers of 8 and 16 bits become float32, which
    holds them exactly, and those of 32 and 64 bits float64, as in NumPy's promotion with float32.

    Parameters
    ----------
    given
        The name of the dtype of the input.
    requested
        The ``dtype=`` option: None, a name, a NumPy dtype or type, or a torch dtype.

    >>> result_dtype("float16"), result_dtype("uint8"), result_dtype("int32")
    ('float16', 'float32', 'float64')
    >>> result_dtype("int32", "float32")
    'float32'
    """
    if requested is None:
        return given if given in FLOATS else "float32" if given in _SMALL else "float64"
    name = str(requested).removeprefix("torch.")
    if name not in FLOATS:
        try:
            name = np.dtype(requested).name  # type: ignore[call-overload]
        except TypeError:
            name = ""
    if name not in FLOATS:
        raise UnsupportedTypeError(
            f"dtype must be one of {', '.join(FLOATS)}. Received: {requested!r}. "
            "Omit it to keep the dtype of floating input; integers become float32 or float64."
        )
    return name
