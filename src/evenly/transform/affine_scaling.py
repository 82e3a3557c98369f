"""Compute the scaling of methods that map two numbers of a column to two of the result.

Every such method is affine: ``y = (x - center) / spread``, mapped to a range.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import nan
from typing import NamedTuple, NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, check_choice
from evenly.exact_pairs import divide, is_ordinary, two_sum
from evenly.transform.methods import Method
from evenly.transform.scaling import CONSTANT_POLICIES, Floats, Scaling, scale_power
from evenly.transform.scaling_errors import constant_error, format_columns, no_values_error


class Anchors(NamedTuple):
    """The exact numbers of a column that a method maps to the ends of its range.

    Attributes
    ----------
    low, high
        The numbers of the column that become the ends of the range; None without values.
    constant
        The value of a constant column; None if it has several values.
    """

    low: Fraction | None
    high: Fraction | None
    constant: Fraction | None


NO_ANCHORS = Anchors(None, None, None)
"""The anchors of a column without values."""


class AnchorArrays(NamedTuple):
    """The anchors of many columns as float64, from which most scalings are computed.

    Attributes
    ----------
    low
        The number of each column that becomes the low end of the range; NaN without values.
    top, bottom
        Two numbers whose distance is that of the high end from the low end.
    constant
        The value of each constant column; NaN for others.
    exact
        Returns the anchors of a column as fractions.
    inexact
        Whether the numbers of a column are not exact, so that `exact` must be used.
    """

    low: Floats
    top: Floats
    bottom: Floats
    constant: Floats
    exact: Callable[[int], Anchors]
    inexact: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, anchors: Iterable[Anchors]) -> Self:
        """Return anchors that are all computed as fractions."""
        found = list(anchors)
        low = np.array([nan if column.low is None else 0.0 for column in found])
        undefined = np.full(len(found), nan)
        inexact = np.ones(len(found), np.bool_)
        return cls(low, undefined, undefined, undefined, found.__getitem__, inexact)


class AffineKeywords(TypedDict):
    """Keyword arguments of `affine_scaling`."""

    inverse: bool
    constant: str
    too_few: str
    dtypes: NotRequired[tuple[str, ...]]


def affine_scaling(
    columns: tuple[str, ...] | None,
    anchors: AnchorArrays,
    method: Method,
    *,
    inverse: bool,
    constant: str = "zero",
    too_few: str = "error",
    dtypes: tuple[str, ...] = (),
) -> Scaling:
    """Compute the scaling that maps two numbers of each column to the ends of a range.

    It is computed in arrays where these round as the fractions do, and in fractions elsewhere.

    Parameters
    ----------
    columns
        The names of the columns, or None.
    anchors
        The two numbers of each column.
    method
        The method, whose range is 0 to 1 if it has none.
    inverse, constant, too_few, dtypes
        As in `scaling`.

    Raises
    ------
    DataError
        When a column has no values; when a column is constant and ``constant="error"``; when the
        two numbers are equal but the column is not constant, unless ``constant="center"``.
    """
    check_choice("constant", constant, CONSTANT_POLICIES)
    is_constant = ~np.isnan(anchors.constant)
    has_equal_ends = anchors.top == anchors.bottom
    ends = tuple(map(Fraction, method.range or (0, 1)))
    if 2**-40 < ends[1] - ends[0] < 2**40 and ends[0] in (0, -ends[1]):
        numbers, is_exact = _array_numbers(anchors, ends, inverse, constant, too_few)
    else:
        numbers, is_exact = np.empty((len(anchors.low), 4)), np.zeros_like(anchors.inexact)
    for i in np.flatnonzero(~is_exact | anchors.inexact).tolist():
        exact = anchors.exact(i)
        is_constant[i], has_equal_ends[i] = exact.constant is not None, exact.low == exact.high
        numbers[i] = _numbers(exact, ends, inverse, constant, too_few)
    if too_few == "error":
        equal = is_constant, has_equal_ends & ~is_constant
        _check_defined(columns, np.isnan(anchors.low), *equal, method, constant)
    clip = None if inverse else method.clip
    return Scaling.from_rows(columns, numbers, inverse=inverse, dtypes=dtypes, clip=clip)


def _check_defined(
    columns: tuple[str, ...] | None,
    empty: npt.ArrayLike,
    constants: npt.ArrayLike,
    narrow: npt.ArrayLike,
    method: Method,
    constant: str,
) -> None:
    if np.any(empty):
        raise no_values_error(columns, np.flatnonzero(empty).tolist())
    if constant == "error" and np.any(constants):
        received = "values that are all equal"
        raise constant_error(received, columns, np.flatnonzero(constants).tolist())
    if constant != "center" and np.any(narrow):
        where = format_columns(columns, np.flatnonzero(narrow).tolist())
        raise equal_quantiles_error(method, where)


def equal_quantiles_error(method: Method, where: str) -> DataError:
    """Return the error for a column that is not constant, but has equal quantiles."""
    return DataError(
        f"method={method.name!r} divides by the distance of two quantiles, q={method.q}, which "
        f"must not be 0. Received: equal quantiles in {where}, which "
        "is not constant. Pass other quantiles with q=, constant='center' to subtract the "
        "center of such columns only, or another method."
    )


def _array_numbers(
    anchors: AnchorArrays,
    ends: tuple[Fraction, ...],
    inverse: bool,
    constant: str,
    too_few: str,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the results of `_numbers` of each column, and where they are exact.

    The range begins at 0, or is symmetric: then its center is that of the column.
    """
    low, top, bottom = anchors.low, anchors.top, anchors.bottom
    size = np.full_like(low, float(ends[1] - ends[0]))
    with np.errstate(all="ignore"):
        width = two_sum(top, -bottom)
        pairs = (width, (size, np.zeros_like(size)))
        factor, is_exact = divide(*pairs) if inverse else divide(*reversed(pairs))
        hi, lo = two_sum(top, bottom) if ends[0] else (low, np.zeros_like(low))
    if ends[0]:
        hi, lo = hi / 2, lo / 2
    has_equal_ends, is_constant = top == bottom, ~np.isnan(anchors.constant)
    is_degenerate = has_equal_ends | is_constant
    hi = np.where(is_degenerate, np.where(is_constant, anchors.constant, low), hi)
    lo[is_degenerate] = 0.0
    factor[is_degenerate] = float(constant == "center")
    if constant != "center" and too_few == "nan":
        factor[has_equal_ends & ~is_constant] = np.nan
    for number in (low, top, bottom, hi, lo):
        is_exact &= is_ordinary(number)
    is_exact |= is_degenerate & is_ordinary(hi)
    # + 0.0: no -0.0, which fractions do not have
    numbers = np.stack([hi + 0.0, lo + 0.0, factor, np.zeros_like(hi)], axis=1)
    return numbers, is_exact


def _numbers(
    column: Anchors, ends: tuple[Fraction, ...], inverse: bool, constant: str, too_few: str
) -> tuple[float, float, float, int]:
    """Return hi, lo, factor and power of a column."""
    if column.low is None or column.high is None:
        if too_few == "nan":
            return nan, 0.0, nan, 0
        return 0.0, 0.0, float(constant == "center"), 0
    spread = (column.high - column.low) / (ends[1] - ends[0])
    if column.constant is not None or not spread:
        zero = column.low if column.constant is None else column.constant
        power = scale_power(abs(float(zero)), 0.0, constant=True)
        unit = 2.0**power if inverse else 2.0**-power
        is_undefined = too_few == "nan" and column.constant is None
        factor = unit if constant == "center" else nan if is_undefined else 0.0
    else:
        zero = column.low - ends[0] * spread
        power = scale_power(_float(abs(zero)), _float(spread), constant=False)
        scaled = spread * Fraction(2) ** power
        factor = float(scaled if inverse else 1 / scaled)
    hi = _float(zero * Fraction(2) ** power)
    lo = float(zero * Fraction(2) ** power - Fraction(hi))
    return hi, lo, factor, power


def _float(value: Fraction) -> float:
    """Return the nearest float64, or the largest one."""
    try:
        return float(value)
    except OverflowError:
        return float(np.finfo(np.float64).max)
