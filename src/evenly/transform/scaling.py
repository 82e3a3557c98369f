"""The three float64 numbers a column that normalising needs, and their theory."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from evenly import _core, exact_stats
from evenly.errors import DataError, check_choice
from evenly.exact_stats import Dyadic

Floats = npt.NDArray[np.float64]

CONSTANT_POLICIES = ("zero", "center", "error")
MISSING_POLICIES = ("keep", "zero")

_HUGE, _TINY = 2.0**970, 2.0**-960
_POWER_HUGE, _POWER_TINY = -4, 600


@dataclass(slots=True, frozen=True)
class Scaling:
    """Columns to be normalised as ``((x - hi) - lo) * factor``, or back.

    Attributes
    ----------
    columns
        The columns' names, or None.
    hi, lo
        The mean as a sum of two float64: the nearest one, and the nearest to the rest.
    factor
        1 / std to normalise; std to go back (``x * factor + lo + hi``). For a constant
        column 0 (it becomes 0), or what takes ``power`` back (it is centred).
    inverse
        Whether it goes back.
    power
        None, or for each column a power of two: hi, lo and factor are those of
        ``x * 2**power``. Only columns near the limits of float64 need it.
    dtypes
        The dtype that each column was fitted in; it says the unit of times.

    Notes
    -----
    For ``x`` near the mean, ``x - hi`` is exact (Sterbenz' lemma, 1974) and ``lo`` puts
    back what rounding the mean took away; so the result has an error of at most 2 ulp
    of float64, and rounding it to float32 adds half an ulp of float32: at any offset.
    """

    columns: tuple[str, ...] | None
    hi: Floats
    lo: Floats
    factor: Floats
    inverse: bool
    power: npt.NDArray[np.int64] | None = None
    dtypes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hi)

    def __getitem__(self, columns: slice) -> "Scaling":
        """Return the scaling of some columns that follow one another."""
        return Scaling(
            self.columns and self.columns[columns],
            self.hi[columns],
            self.lo[columns],
            self.factor[columns],
            self.inverse,
            None if self.power is None else self.power[columns],
            self.dtypes[columns],
        )


def scaling(
    columns: tuple[str, ...] | None,
    sums: Iterable[tuple[Dyadic, Dyadic, Dyadic]],
    *,
    inverse: bool,
    correction: int | float | Fraction = 0,
    constant: str = "zero",
    too_few: str = "error",
    dtypes: tuple[str, ...] = (),
) -> Scaling:
    """Return the scaling for columns of the given exact count, sum and sum of squares.

    With ``too_few="constant"``, for statistics that are still being learned, a column of no
    value, or of not more than ``correction``, counts as a constant one of mean 0 or of its mean,
    and no column is refused.

    Raises
    ------
    DataError
        When a column has no value, or not more than ``correction``; when one is
        constant and ``constant="error"``; when an option is none of those allowed.
    """
    check_choice("constant", constant, CONSTANT_POLICIES)
    exact = exact_stats.as_correction(correction)
    rows = [_column(*column, exact, inverse) for column in sums]
    if too_few == "error":
        _check(columns, rows, exact, constant)
    numbers = np.array(rows, np.float64).reshape(-1, 4)
    numbers[np.isnan(numbers)] = 0.0
    hi, lo, factor, power = (np.ascontiguousarray(part) for part in numbers.T)
    if constant == "center":
        same = factor == 0
        factor[same] = np.exp2(power[same] if inverse else -power[same])
    powers = power.astype(np.int64) if power.any() else None
    return Scaling(columns, hi, lo, factor, inverse, powers, dtypes)


def fast_scaling(
    state: _core.State,
    columns: tuple[str, ...] | None,
    *,
    inverse: bool,
    correction: int | float | Fraction,
    constant: str,
    too_few: str,
    dtypes: tuple[str, ...],
) -> Scaling | None:
    """Return what `scaling` returns, bit for bit, from the core; None where only that one can.

    That is for fractional counts and corrections, columns near the limits of float64,
    everything that is refused, and a rounding too close to call.
    """
    if not isinstance(correction, int) or not 0 <= correction < 2**62:
        return None
    if constant not in CONSTANT_POLICIES:
        return None
    hi, lo, factor = np.zeros((3, state.columns))
    word = state.read_scaling(correction, inverse, hi, lo, factor)
    if word == "unsure" or (word == "undefined" and too_few == "error"):
        return None
    if constant != "zero":
        same = factor == 0
        if constant != "center" and too_few == "error" and same.any():
            return None
        if constant == "center":
            factor[same] = 1.0
    return Scaling(columns, hi, lo, factor, inverse, None, dtypes)


def _column(
    count: Dyadic, total: Dyadic, squares: Dyadic, correction: Fraction, inverse: bool
) -> tuple[float, float, float, int]:
    """Return hi, lo, factor and power of a column; factor NaN when it is undefined."""
    ratio = exact_stats.variance_ratio(count, total, squares, correction)
    hi = exact_stats.mean(count, total)
    if ratio is None:
        return hi, exact_stats.mean_remainder(count, total, hi), float("nan"), 0
    p, q, e = ratio
    power = _power(abs(hi), exact_stats.sqrt_rounded(p, q, e), constant=p == 0)
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


def _power(mean: float, std: float, *, constant: bool) -> int:
    """Return the power of two that keeps a column clear of over- and underflow.

    Above 2**970, ``x - hi`` can overflow, and 1 / std be subnormal. Below 2**-960,
    1 / std can overflow, and ``lo`` vanish. Multiplying by a power of two is exact.
    """
    if max(mean, std) >= _HUGE:
        return _POWER_HUGE
    return _POWER_TINY if std < _TINY and not constant else 0


def _check(
    columns: tuple[str, ...] | None,
    rows: list[tuple[float, float, float, int]],
    correction: Fraction,
    constant: str,
) -> None:
    if empty := [i for i, row in enumerate(rows) if row[0] != row[0]]:
        raise DataError(
            f"Normalising needs at least one value a column. {_named(columns, empty)} without: "
            "every row was missing, or none was read. Fit data that has some, or leave out "
            "with moments.select(...)."
        )
    if few := [i for i, row in enumerate(rows) if row[2] != row[2]]:
        raise DataError(
            f"Normalising needs more values a column than correction={correction}, or the "
            f"variance is undefined. {_named(columns, few)} without. Fit more rows, or pass a "
            "smaller correction."
        )
    if constant == "error" and (same := [i for i, row in enumerate(rows) if row[2] == 0]):
        raise DataError(
            f'With constant="error" no column may be constant. {_named(columns, same)} of variance '
            'exactly 0. Leave out with moments.select(...), or pass constant="zero".'
        )


def _named(columns: tuple[str, ...] | None, indices: list[int]) -> str:
    shown = [repr(columns[i]) if columns else str(i) for i in indices[:5]]
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    are = "Column" if len(indices) == 1 else "Columns"
    return f"{are} {', '.join(shown)}{more}"
