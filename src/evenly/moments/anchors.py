"""The two numbers of each column that a method of normalization maps to its range."""

from fractions import Fraction
from typing import Unpack

import numpy as np

from evenly.distribution.bins import Floats
from evenly.errors import DataError
from evenly.moments.distribution import DistributionMixin
from evenly.transform.affine_scaling import (
    NO_ANCHORS,
    AffineKeywords,
    AnchorArrays,
    Anchors,
    affine_scaling,
)
from evenly.transform.methods import Method, check_no_std_options
from evenly.transform.scaling import Scaling
from evenly.typing import Real


def scaling_by_method(
    moments: DistributionMixin,
    columns: tuple[str, ...] | None,
    method: Method,
    *,
    correction: Real,
    tolerance: Real,
    **options: Unpack[AffineKeywords],
) -> Scaling:
    """Return the scaling of a method other than ``"standard"``; see `affine_scaling`.

    Raises
    ------
    DataError
        When the method does not have an option, or needs a distribution or exact extremes that
        the moments do not have.
    """
    check_no_std_options(method, correction, tolerance)
    return affine_scaling(columns, anchors(moments, method), method, **options)


def anchors(moments: DistributionMixin, method: Method) -> AnchorArrays:
    """Return the anchors of each column.

    Raises
    ------
    DataError
        When the method needs a distribution or exact extremes, which the moments do not have.
    """
    if method.q is None and moments.extremes_are_bounds:
        raise DataError(
            f"method={method.name!r} needs the smallest and the largest value of each column. "
            "Received: moments from which rows were subtracted, whose extremes are bounds. Fit the "
            "remaining rows, or pass another method."
        )
    quantiles = None
    if method.q is not None:
        low, high = method.q
        quantiles = moments.quantile([low, 0.5, high])
    extremes = moments._state.extremes()
    least, most = moments.min, moments.max
    is_constant = (least == most) & (not moments.extremes_are_bounds)
    # Integers from 2**53 on may have been rounded.
    inexact = np.maximum(np.abs(least), np.abs(most)) >= 2.0**53
    constant = np.where(is_constant, least, np.nan)
    ends = _ends(method, least, most, quantiles)

    def exact(index: int) -> Anchors:
        """Return the anchors of a column as fractions."""
        at = None if quantiles is None else quantiles[:, index]
        return _exact_anchors(method, extremes[index], at, bounds=moments.extremes_are_bounds)

    return AnchorArrays(*ends, constant, exact, inexact)


def _ends(
    method: Method, least: Floats, most: Floats, quantiles: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Return the low end of each column, and two numbers whose distance is that of both ends."""
    if quantiles is not None:
        low, median, high = quantiles
        return (low if method.name == "quantile" else median), high, low
    if method.name == "minmax":
        return least, most, least
    zero = np.where(np.isnan(least), np.nan, 0.0)
    return zero, np.maximum(np.abs(least), np.abs(most)), zero


def _exact_anchors(
    method: Method,
    extremes: tuple[Real | None, Real | None],
    quantiles: Floats | None,
    *,
    bounds: bool,
) -> Anchors:
    if extremes[0] is None or extremes[1] is None:
        return NO_ANCHORS
    least, most = Fraction(extremes[0]), Fraction(extremes[1])
    ends = (
        _ends_of_extremes(method, least, most)
        if quantiles is None
        else _ends_of_quantiles(method, quantiles)
    )
    return Anchors(*ends, least if least == most and not bounds else None)


def _ends_of_extremes(method: Method, least: Fraction, most: Fraction) -> tuple[Fraction, Fraction]:
    if method.name == "minmax":
        return least, most
    return Fraction(0), max(abs(least), abs(most))


def _ends_of_quantiles(method: Method, quantiles: Floats) -> tuple[Fraction, Fraction]:
    low, median, high = (Fraction(float(value)) for value in quantiles)
    if method.name == "quantile":
        return low, high
    return median, median + (high - low)
