"""The scaling of ``method="standard"``, computed from exact sums."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from evenly import _core, exact_stats
from evenly.errors import DataError, check_choice
from evenly.exact_stats import Dyadic
from evenly.transform.scaling import CONSTANT_POLICIES, Floats, Scaling, scale_power
from evenly.transform.scaling_errors import constant_error, format_columns, no_values_error
from evenly.typing import Real


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
        ``"nan"`` for groups, since few of them may be needed: factor is NaN for such a column,
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
