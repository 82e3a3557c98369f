"""Pixels without a value: those with the number in GDAL's tag of a TIFF file.

GDAL and all programs that use it store that number as text in the tag GDAL_NODATA. It applies to
each band by itself.
"""

import numpy as np

from evenly.sources.fill_values import find_values, value_in
from evenly.typing import AnyArray, AnyDtype

TAG = 42113
"""The number of the tag GDAL_NODATA."""


def mask_pixels(array: AnyArray, text: object, stored: AnyArray | None = None) -> AnyArray:
    """Return pixels with NaN where there is no value; integers as a masked array.

    Parameters
    ----------
    array
        The pixels: rows, or rows x bands.
    text
        The value of the tag; None if the file does not have it.
    stored
        The pixels before they were converted to other colors. A pixel with a band that is missing
        is missing in all bands then. None: they were not converted.
    """
    source = array if stored is None else stored
    value = None if text is None or source.dtype.kind not in "iuf" else _parse(text, source.dtype)
    missing = None if value is None else find_values(source, [value])
    if missing is None or not missing.any():
        return array
    if stored is not None:
        rows = missing.reshape(len(array), -1).any(axis=1)
        missing = np.broadcast_to(rows.reshape(-1, *[1] * (array.ndim - 1)), array.shape)
    if array.dtype.kind == "f":
        return np.where(missing, array.dtype.type(np.nan), array)
    return np.ma.MaskedArray(array, mask=missing)


def _parse(text: object, dtype: AnyDtype) -> int | float | None:
    """Return the value of a dtype that a tag stands for; None for text that is not a number.

    >>> [_parse(text, np.dtype("int16")) for text in ("-9999 ", "nan", "none")]
    [-9999, None, None]
    """
    number = str(text).strip("\0 ")
    try:
        return value_in(int(number), dtype)  # a float does not have all bits of 64-bit integers
    except ValueError:
        pass
    try:
        return value_in(float(number), dtype)
    except ValueError:
        return None
