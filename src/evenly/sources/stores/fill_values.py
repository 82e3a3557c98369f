"""Replace fill values by NaN, and reject packed values, according to NetCDF attributes.

The attributes ``_FillValue``, ``missing_value``, ``scale_factor`` and ``add_offset`` are those of
the CF conventions, sections 2.5.1 and 8.1 (https://cfconventions.org).
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
    """Return an array in which fill values are NaN.

    Raises
    ------
    UnsupportedTypeError
        If the values are packed, or cannot be converted to float64.
    """
    if array.dtype.kind not in "iuf":
        return array
    packing = {
        name: attributes[name]
        for name, neutral in _PACKING.items()
        if name in attributes and not np.all(np.asarray(attributes[name]) == neutral)
    }
    if packing:
        raise _packed_values_error(label, packing)
    declared = {name: attributes[name] for name in _FILLS if name in attributes}
    fills = [value for value in map(_as_scalar, declared.values()) if not _is_nan(value)]
    if not fills:
        return array
    if None in fills or (array.dtype.kind in "iu" and array.dtype.itemsize == 8):
        raise _packed_values_error(label, declared)
    return MaskedArray(array, np.array(fills))


class MaskedArray:
    """An array whose fill values are read as NaN; integers become float64."""

    def __init__(self, array: StoredArray, fills: npt.NDArray[Any]) -> None:
        self._array = array
        self._fills = fills
        self.shape = array.shape
        self.chunks = array.chunks
        self.dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)

    def read(self, slices: Slices) -> npt.NDArray[Any]:
        """Return the values in a range of each axis."""
        values = self._array.read(slices)
        missing = np.isin(values, self._fills.astype(values.dtype))
        result = values.astype(self.dtype)
        result[missing] = np.nan
        return result


def _as_scalar(value: Any) -> Any:
    """Return the number in an attribute; None if it is not a single number."""
    array = np.asarray(value)
    return array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "iuf" else None


def _is_nan(value: Any) -> bool:
    return value is not None and bool(np.isnan(value))


def _packed_values_error(label: str, attributes: Mapping[str, Any]) -> UnsupportedTypeError:
    received = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return UnsupportedTypeError(
        "Packed values must be decoded before they are fitted. "
        f"Received: {label} with the attributes {received}. Open it with xarray, which decodes "
        "them, and pass the result: evenly.fit(xarray.open_dataset(path)[name])."
    )
