"""The three float64 numbers per column that normalizing needs, and how they are computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from evenly import _core, exact_stats
from evenly.errors import DataError, check_choice
from evenly.exact_stats import Dyadic
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


def scaling(
    columns: tuple[str, ...] | None,
    sums: Iterable[tuple[Dyadic, Dyadic, Dyadic]],
    *,
    inverse: bool,
    correction: Real = 0,
    constant: str = "zero",
    tolerance: Real = 0,
    too_few: str = "error",
    dtypes: tuple[str, ...] = (),
) -> Scaling:
    """Compute the scaling of columns from their exact counts, sums and sums of squares.

    Parameters
    ----------
    columns
        The names of the columns, or None.
    sums
        The count, sum and sum of squares of each column.
    inverse
        Whether to denormalize.
    correction, constant, tolerance
        As in `evenly.Moments.normalize`.
    too_few
        ``"error"``, or ``"constant"`` for statistics that are still being learned: a column with
        no more than ``correction`` values counts as constant, with its mean, or 0 without values.
        ``"nan"`` for those of groups, of which few may be needed: factor is NaN for such a column,
        and hi is NaN without values.
    dtypes
        The dtype in which each column was fitted.

    Raises
    ------
    DataError
        When a column has no more than ``correction`` values; when a column is constant and
        ``constant="error"``; when an option is invalid.
    """
    check_choice("constant", constant, CONSTANT_POLICIES)
    exact = exact_stats.as_correction(correction)
    nearly = exact_stats.as_tolerance(tolerance)
    rows = [_scale_numbers(*column, exact, inverse, nearly) for column in sums]
    if too_few == "error":
        _check_defined(columns, rows, exact, constant, tolerance)
    numbers = np.array(rows, np.float64).reshape(-1, 4)
    if too_few != "nan":
        numbers[np.isnan(numbers)] = 0.0
    if constant == "center":
        is_constant = numbers[:, 2] == 0
        power = numbers[is_constant, 3]
        numbers[is_constant, 2] = np.exp2(power if inverse else -power)
    return Scaling.from_rows(columns, numbers, inverse=inverse, dtypes=dtypes)


def fast_scaling(
    state: _core.State,
    columns: tuple[str, ...] | None,
    *,
    inverse: bool,
    correction: Real,
    constant: str,
    too_few: str,
    dtypes: tuple[str, ...],
    tolerance: Real = 0,
) -> Scaling | None:
    """Compute the same result as `scaling`, bit for bit, in the core; None if it cannot.

    The core does not support fractional counts and corrections, columns near the limits of
    float64, errors, and results that are too close to a rounding boundary.
    """
    if not isinstance(correction, int) or not 0 <= correction < 2**62:
        return None
    if constant not in CONSTANT_POLICIES:
        return None
    nearly = exact_stats.as_tolerance(tolerance)
    hi, lo, factor = np.zeros((3, state.columns))
    status = state.read_scaling(correction, inverse, hi, lo, factor)
    if status == "unsure" or (status == "undefined" and too_few == "error"):
        return None
    if too_few == "nan":
        _mark_undefined(state.counts(), exact_stats.as_correction(correction), hi, factor)
    if nearly:
        sums = zip(state.counts(), state.sums(), state.squares(), strict=True)
        constants = [exact_stats.is_constant(*column, nearly) for column in sums]
        factor[constants & ~np.isnan(factor)] = 0.0
    if constant != "zero":
        is_constant = factor == 0
        if constant != "center" and too_few == "error" and is_constant.any():
            return None
        if constant == "center":
            factor[is_constant] = 1.0
    return Scaling(columns, hi, lo, factor, inverse, None, dtypes)


def _mark_undefined(
    counts: Sequence[Dyadic], correction: Fraction, hi: Floats, factor: Floats
) -> None:
    """Set factor to NaN for columns with too few values, and hi without values."""
    for index in np.flatnonzero(factor == 0).tolist():
        count = exact_stats.fraction(counts[index])
        if count <= correction or not count:
            factor[index] = np.nan
        if not count:
            hi[index] = np.nan


def _scale_numbers(
    count: Dyadic,
    total: Dyadic,
    squares: Dyadic,
    correction: Fraction,
    inverse: bool,
    tolerance: Fraction,
) -> tuple[float, float, float, int]:
    """Return hi, lo, factor and power of a column; factor is NaN when it is undefined."""
    ratio = exact_stats.variance_ratio(count, total, squares, correction)
    hi = exact_stats.mean(count, total)
    if ratio is None:
        return hi, exact_stats.mean_remainder(count, total, hi), float("nan"), 0
    p, q, e = ratio
    if tolerance and exact_stats.is_constant(count, total, squares, tolerance):
        p = 0
    power = scale_power(abs(hi), exact_stats.sqrt_rounded(p, q, e), constant=p == 0)
    if power:
        total, e = (total[0], total[1] + power), e + 2 * power
        hi = exact_stats.mean(count, total)
    lo = exact_stats.mean_remainder(count, total, hi)
    if p == 0:
        return hi, lo, 0.0, power
    return (
        hi,
        lo,
        exact_stats.sqrt_rounded(p, q, e) if inverse else exact_stats.sqrt_rounded(q, p, -e),
        power,
    )


def scale_power(mean: float, std: float, *, constant: bool) -> int:
    """Return the exponent of the power of two that prevents overflow and underflow.

    Above 2**970, ``x - hi`` can overflow, and 1 / std can be subnormal. Below 2**-960,
    1 / std can overflow, and ``lo`` can underflow. Multiplying by a power of two is exact.
    """
    if max(mean, std) >= _HUGE:
        return _POWER_HUGE
    return _POWER_TINY if std < _TINY and not constant else 0


def _check_defined(
    columns: tuple[str, ...] | None,
    rows: list[tuple[float, float, float, int]],
    correction: Fraction,
    constant: str,
    tolerance: Real,
) -> None:
    if empty := [i for i, row in enumerate(rows) if row[0] != row[0]]:
        raise no_values_error(columns, empty)
    if too_few := [i for i, row in enumerate(rows) if row[2] != row[2]]:
        raise DataError(
            f"Normalizing needs more values per column than correction={correction}, since the "
            f"variance is undefined otherwise. Received: too few in "
            f"{format_columns(columns, too_few)}. Fit more rows, or pass a smaller correction."
        )
    if constant == "error" and (constants := [i for i, row in enumerate(rows) if row[2] == 0]):
        within = f"a standard deviation within tolerance={tolerance}"
        received = within if tolerance else "a variance of exactly 0"
        raise constant_error(received, columns, constants)


def no_values_error(columns: tuple[str, ...] | None, indices: list[int]) -> DataError:
    """Return the error for columns without values."""
    return DataError(
        "Normalizing needs at least one value per column. Received: no value in "
        f"{format_columns(columns, indices)}: every row was missing, or no rows were read. Fit "
        "data with values, or leave out such columns with moments.select(...)."
    )


def constant_error(received: str, columns: tuple[str, ...] | None, indices: list[int]) -> DataError:
    """Return the error for constant columns with ``constant="error"``."""
    return DataError(
        f'With constant="error" no column may be constant. Received: {received} in '
        f"{format_columns(columns, indices)}. Leave out such columns with "
        'moments.select(...), or pass constant="zero".'
    )


def not_fitted_error() -> DataError:
    """Return the error for normalizing with moments of no rows."""
    return DataError(
        "Normalizing needs moments of at least one row. Received: none yet. Fit data first."
    )


def format_columns(columns: tuple[str, ...] | None, indices: list[int]) -> str:
    """Return the names or numbers of some columns for a message."""
    names = [repr(columns[i]) if columns else str(i) for i in indices[:5]]
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    noun = "column" if len(indices) == 1 else "columns"
    return f"{noun} {', '.join(names)}{more}"
