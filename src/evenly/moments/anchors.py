"""The two numbers of each column that a method of normalization maps to its range."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Unpack

from evenly.distribution.bins import Floats
from evenly.errors import DataError
from evenly.moments.distribution import DistributionMixin
from evenly.transform.methods import (
    NO_VALUES,
    AffineKeywords,
    Anchors,
    Method,
    affine_scaling,
    check_no_std_options,
)
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


def anchors(moments: DistributionMixin, method: Method) -> Iterator[Anchors]:
    """Yield the anchors of each column.

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
    for index, extremes in enumerate(moments._state.extremes()):
        if extremes[0] is None:
            yield NO_VALUES
            continue
        least, most = map(Fraction, extremes)
        if quantiles is None:
            ends = _ends_of_extremes(method, least, most)
        else:
            ends = _ends_of_quantiles(method, quantiles[:, index])
        is_constant = least == most and not moments.extremes_are_bounds
        yield Anchors(*ends, least if is_constant else None)


def _ends_of_extremes(method: Method, least: Fraction, most: Fraction) -> tuple[Fraction, Fraction]:
    if method.name == "minmax":
        return least, most
    return Fraction(0), max(abs(least), abs(most))


def _ends_of_quantiles(method: Method, quantiles: Floats) -> tuple[Fraction, Fraction]:
    low, median, high = (Fraction(float(value)) for value in quantiles)
    if method.name == "quantile":
        return low, high
    return median, median + (high - low)
