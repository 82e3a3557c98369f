"""Decode the values of a variable while it is read: missing, packed and unsigned values."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from evenly.printable import printable
from evenly.sources.fill_values import find_values
from evenly.sources.stores.cf import Encoding, ValidRange
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.stored_array import StoredArray
from evenly.typing import AnyArray

_log = logging.getLogger("evenly")


class DecodedArray:
    """An array whose values are decoded when they are read.

    Missing values are NaN. 64-bit integers with missing values are read as a masked array, because
    a float does not have all of their bits.

    Attributes
    ----------
    outside
        The number of values read so far that are outside of the valid range.
    """

    def __init__(self, array: StoredArray, encoding: Encoding, label: str) -> None:
        self._array = array
        self._encoding = encoding
        self._label = label
        self.shape = array.shape
        self.chunks = array.chunks
        self.dtype = encoding.dtype
        self.outside = 0
        self._read = 0

    def read(self, slices: Slices) -> AnyArray:
        """Return the decoded values in a range of each axis."""
        stored = self._array.read(slices).view(self._encoding.integers)
        missing = find_values(stored, self._encoding.fills)
        decoded = self._decode(stored, missing)
        valid = self._encoding.valid
        if valid is not None:
            self._read += stored.size
            tested = stored if valid.is_packed else decoded
            self.outside += _count_outside(tested, valid, missing)
        return decoded

    def remark(self) -> str:
        """Return a sentence about values outside of the valid range; empty if there are none."""
        if not self.outside:
            return ""
        return (
            f"{self._label}: {self.outside:,} of {self._read:,} values are outside of the valid "
            f"range, {self._encoding.valid}, and are counted. To make them missing, open it with "
            "xarray and pass data.where(...)."
        )

    def _decode(self, stored: AnyArray, missing: Any) -> AnyArray:
        scale, offset = self._encoding.scale, self._encoding.offset
        if missing is not None and self.dtype.kind in "iu":
            whole = stored.astype(self.dtype)
            return np.ma.MaskedArray(whole, mask=missing) if missing.any() else whole
        values = stored.astype(self.dtype, copy=self._encoding.is_packed or missing is not None)
        if scale is not None:
            values *= scale
        if offset is not None:
            values += offset
        if missing is not None:
            values[missing] = np.nan
        return values


def log_remarks(arrays: Iterable[StoredArray]) -> None:
    """Warn about suspect values of arrays that were read."""
    for array in arrays:
        if isinstance(array, DecodedArray) and (remark := array.remark()):
            _log.warning("%s", printable(remark))


def _count_outside(values: AnyArray, valid: ValidRange, missing: Any) -> int:
    """Return the number of values outside of a range; missing values are not counted."""
    outside = np.zeros(values.shape, np.bool_)
    if valid.low is not None:
        outside |= np.asarray(values < valid.low)
    if valid.high is not None:
        outside |= np.asarray(values > valid.high)
    return int(np.count_nonzero(outside if missing is None else outside & ~missing))
