"""Values that stand for no value, and packed ones: what NetCDF's attributes say of an array.

These are the attributes of the CF conventions, section 2.5.1 and 8.1
(https://cfconventions.org): ``_FillValue``, ``missing_value``, ``scale_factor``, ``add_offset``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import UnsupportedTypeError
from evenly.sources.stores.array_source import StoredArray
from evenly.sources.stores.chunking import Slices

_FILLS = ("_FillValue", "missing_value")
_PACKING = {"scale_factor": 1.0, "add_offset": 0.0}


def mask_fill_values(array: StoredArray, attributes: Mapping[str, Any], label: str) -> StoredArray:
    """Return an array in which values that stand for no value are NaN.

    Raises
    ------
    UnsupportedTypeError
        When the values are packed, or cannot be float64.
    """
    if array.dtype.kind not in "iuf":
        return array
    packing = {
        name: attributes[name]
        for name, plain in _PACKING.items()
        if name in attributes and not np.all(np.asarray(attributes[name]) == plain)
    }
    if packing:
        raise _undecoded(label, packing)
    given = {name: attributes[name] for name in _FILLS if name in attributes}
    fills = [value for value in map(_number, given.values()) if not _is_nan(value)]
    if not fills:
        return array
    if None in fills or (array.dtype.kind in "iu" and array.dtype.itemsize == 8):
        raise _undecoded(label, given)
    return MaskedArray(array, np.array(fills))


class MaskedArray:
    """An array of which some values count as missing; integers become float64 for it."""

    def __init__(self, array: StoredArray, fills: npt.NDArray[Any]) -> None:
        self._array = array
        self._fills = fills
        self.shape = array.shape
        self.chunks = array.chunks
        self.dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)

    def read(self, box: Slices) -> npt.NDArray[Any]:
        """Return the values in a box."""
        values = self._array.read(box)
        missing = np.isin(values, self._fills.astype(values.dtype))
        result = values.astype(self.dtype)
        result[missing] = np.nan
        return result


def _number(value: Any) -> Any:
    """Return the one number of an attribute; None when it is none."""
    array = np.asarray(value)
    return array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "iuf" else None


def _is_nan(value: Any) -> bool:
    return value is not None and bool(np.isnan(value))


def _undecoded(label: str, attributes: Mapping[str, Any]) -> UnsupportedTypeError:
    found = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return UnsupportedTypeError(
        "Packed values must be decoded to be fitted. "
        f"Received: {label} with the attributes {found}. Open it with xarray, which decodes "
        "them as it reads, and pass what it gives: evenly.fit(xarray.open_dataset(path)[name])."
    )
