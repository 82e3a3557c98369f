"""The bins of a column: values with the same float64 bits, except for the lowest ones."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Keys: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.int64]

_SIGN = np.uint64(1 << 63)


def ordered_bits(values: npt.ArrayLike) -> Keys:
    """Return the bits of float64 values as integers that have the order of the values.

    >>> ordered_bits([0.0]) == ordered_bits([-0.0])
    array([ True])
    """
    bits = (np.asarray(values, np.float64) + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def from_ordered_bits(keys: Keys) -> Floats:
    """Return the values that have these ordered bits."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64)


_LOWEST, _HIGHEST = ordered_bits([np.finfo(np.float64).min, np.finfo(np.float64).max])


def lower_ends(keys: Keys, shifts: Keys | np.uint64) -> Floats:
    """Return the smallest float64 of bins."""
    return from_ordered_bits(np.maximum(keys << shifts, _LOWEST))


def upper_ends(keys: Keys, shifts: Keys | np.uint64) -> Floats:
    """Return the largest float64 of bins, which belongs to them."""
    rest = (np.uint64(1) << shifts) - np.uint64(1)
    return from_ordered_bits(np.minimum((keys << shifts) | rest, _HIGHEST))


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The counts of the values of a column, in ascending bins.

    Attributes
    ----------
    shift
        The number of bits by which the values of a bin may differ, from 0 to 63. With 0, each
        bin is one value.
    keys
        The ordered bits of each bin, without the lowest ``shift`` ones.
    counts
        The number of values in each bin, all positive.
    """

    shift: int
    keys: Keys
    counts: Counts

    @property
    def lower(self) -> Floats:
        """The smallest float64 of each bin."""
        return lower_ends(self.keys, np.uint64(self.shift))

    @property
    def upper(self) -> Floats:
        """The largest float64 of each bin, which belongs to it."""
        return upper_ends(self.keys, np.uint64(self.shift))

    @property
    def total(self) -> int:
        """The number of values."""
        return int(self.counts.sum())

    def coarsen(self, shift: int) -> "Bins":
        """Return the exact counts at a larger shift.

        Two columns have common bins at the larger of their shifts.
        """
        if shift == self.shift or not len(self.keys):
            return Bins(shift, self.keys, self.counts)
        keys, first = np.unique(self.keys >> np.uint64(shift - self.shift), return_index=True)
        return Bins(shift, keys, np.add.reduceat(self.counts, first))
