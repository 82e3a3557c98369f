"""The three float64 numbers per column that normalizing needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from evenly.typing import Real

Floats = npt.NDArray[np.float64]

CONSTANT_POLICIES = ("zero", "center", "error")
MISSING_POLICIES = ("keep", "zero")

_HUGE, _TINY = 2.0**970, 2.0**-960
_POWER_HUGE, _POWER_TINY = -4, 600


class ResultOptions(TypedDict):
    """The options of `evenly.Moments.normalize` for the result: ``dtype`` and ``missing``."""

    dtype: object
    missing: str


class ScalingOptions(TypedDict):
    """The options of `evenly.Moments.normalize` from which a scaling is computed."""

    inverse: bool
    constant: str
    correction: Real
    tolerance: Real


class ScalingKeywords(ScalingOptions):
    """The keyword arguments of `scaling`."""

    too_few: str
    dtypes: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Scaling:
    """The numbers to normalize as ``((x - hi) - lo) * factor``, or to denormalize.

    Attributes
    ----------
    columns
        The names of the columns, or None.
    hi, lo
        The mean as a sum of two float64: the nearest one, and the nearest to the remainder.
    factor
        1 / std to normalize; std to denormalize (``x * factor + lo + hi``). For a constant
        column 0 (the column becomes 0), or the inverse of ``2**power`` (it is centered).
    inverse
        Whether to denormalize.
    power
        None, or for each column the exponent of a power of two: hi, lo and factor are those of
        ``x * 2**power``. Only columns near the limits of float64 need it.
    dtypes
        The dtype in which each column was fitted, which includes the unit of times.
    clip
        The smallest and the largest result; None for no limits. NaN is kept.

    Notes
    -----
    For ``x`` near the mean, ``x - hi`` is exact (Sterbenz' lemma, 1974) and ``lo`` compensates
    the rounding error of ``hi``; so the result has an error of at most 2 ulp of float64, and
    rounding it to float32 adds half an ulp of float32, at any offset.
    """

    columns: tuple[str, ...] | None
    hi: Floats
    lo: Floats
    factor: Floats
    inverse: bool
    power: npt.NDArray[np.int64] | None = None
    dtypes: tuple[str, ...] = ()
    clip: tuple[float, float] | None = None

    @classmethod
    def from_rows(
        cls,
        columns: tuple[str, ...] | None,
        rows: npt.ArrayLike,
        *,
        inverse: bool,
        dtypes: tuple[str, ...],
        clip: tuple[float, float] | None = None,
    ) -> "Scaling":
        """Return the scaling with hi, lo, factor and power of each column in a row."""
        numbers = np.asarray(rows, np.float64).reshape(-1, 4)
        hi, lo, factor, power = (np.ascontiguousarray(part) for part in numbers.T)
        powers = power.astype(np.int64) if power.any() else None
        return cls(columns, hi, lo, factor, inverse, powers, dtypes, clip)

    def __len__(self) -> int:
        return len(self.hi)

    @property
    def num_features(self) -> int:
        """The number of columns."""
        return len(self.hi)

    def __getitem__(self, columns: slice) -> "Scaling":
        """Return the scaling of a slice of the columns."""
        return Scaling(
            self.columns and self.columns[columns],
            self.hi[columns],
            self.lo[columns],
            self.factor[columns],
            self.inverse,
            None if self.power is None else self.power[columns],
            self.dtypes[columns],
            self.clip,
        )

    def take(self, indices: Sequence[int]) -> "Scaling":
        """Return the scaling of the columns at some indices, in this order."""
        if list(indices) == list(range(len(self))):
            return self
        order = np.asarray(indices, np.intp)
        return Scaling(
            self.columns and tuple(self.columns[i] for i in indices),
            self.hi[order],
            self.lo[order],
            self.factor[order],
            self.inverse,
            None if self.power is None else self.power[order],
            tuple(self.dtypes[i] for i in indices) if self.dtypes else (),
            self.clip,
        )


def scale_power(mean: float, std: float, *, constant: bool) -> int:
    """Return the exponent of the power of two that prevents overflow and underflow.

    Above 2**970, ``x - hi`` can overflow, and 1 / std can be subnormal. Below 2**-960,
    1 / std can overflow, and ``lo`` can underflow. Multiplying by a power of two is exact.
    """
    if max(mean, std) >= _HUGE:
        return _POWER_HUGE
    return _POWER_TINY if std < _TINY and not constant else 0
