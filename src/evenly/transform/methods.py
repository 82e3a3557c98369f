"""The methods of normalization, and their options.

Each of them is a `Scaling`, which is applied to arrays, tensors and frames, and by engines:
`exact_scaling` computes that of ``"standard"``, and `affine_scaling` that of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias, get_args

import numpy as np

from evenly.errors import DataError, check_choice
from evenly.typing import NormalizeMethod, Real

METHODS = get_args(NormalizeMethod)
_RANGES = {"minmax": (0.0, 1.0), "quantile": (-1.0, 1.0)}
_QUANTILES = {"robust": (0.25, 0.75), "quantile": (0.01, 0.99)}
_BOUNDS = {"maxabs": (-1.0, 1.0), **_RANGES}
"""The range of the result for ``clip=True``."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of normalization and its options.

    Attributes
    ----------
    name
        The name of the method.
    range
        The numbers that the ends of a column become; None for methods without a range.
    q
        The quantiles that it uses; None for methods without quantiles.
    clip
        The smallest and the largest result; None for no limits.
    """

    name: str = "standard"
    range: tuple[float, float] | None = None
    q: tuple[float, float] | None = None
    clip: tuple[float, float] | None = None


STANDARDIZE = Method()
MethodOptions: TypeAlias = tuple[str, Sequence[float] | None, Sequence[float] | None, object]
"""The arguments of `parse_method`."""


def parse_method(
    method: str = "standard",
    range: Sequence[float] | None = None,
    q: Sequence[float] | None = None,
    clip: object = None,
) -> Method:
    """Return the method that the options of `evenly.Moments.normalize` describe.

    >>> parse_method("minmax", (-1, 1))
    Method(name='minmax', range=(-1.0, 1.0), q=None, clip=None)

    Raises
    ------
    DataError
        For an unknown method, an option that it does not have, or an invalid value.
    """
    if method == "standard" and range is None and q is None and clip is None:
        return STANDARDIZE
    check_choice("method", method, METHODS)
    for name, value, methods in (("range", range, _RANGES), ("q", q, _QUANTILES)):
        if value is not None and method not in methods:
            raise DataError(
                f"{name}= is an option of the methods {' and '.join(map(repr, methods))}. "
                f"Received: {name}={value!r} and method={method!r}. Omit it, or choose another "
                "method."
            )
    limits = _pair("range", range or _RANGES.get(method))
    quantiles = _pair("q", q or _QUANTILES.get(method))
    if quantiles is not None and not (quantiles[0] >= 0 and quantiles[1] <= 1):
        raise DataError(f"q must be two numbers from 0 to 1. Received: {q!r}. Pass (0.01, 0.99).")
    return Method(method, limits, quantiles, _parse_clip(clip, method, limits))


def _pair(name: str, values: Sequence[float] | None) -> tuple[float, float] | None:
    """Return two numbers in ascending order."""
    if values is None:
        return None
    try:
        low, high = map(float, values)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (low < high and isfinite(low) and isfinite(high)):
        raise DataError(
            f"{name} must be two finite numbers in ascending order. Received: {values!r}. Pass "
            f"{_QUANTILES['quantile'] if name == 'q' else (0, 1)}, for example."
        )
    return low, high


def _parse_clip(
    clip: object, method: str, limits: tuple[float, float] | None
) -> tuple[float, float] | None:
    if clip is None or clip is False:
        return None
    if clip is True:
        bounds = limits or _BOUNDS.get(method)
        if bounds is not None:
            return bounds
    elif isinstance(clip, int | float | np.integer | np.floating) and clip > 0:
        return -float(clip), float(clip)
    raise DataError(
        "clip must be a positive number, which limits the result to that size, or True for a "
        f"method with a range ('minmax', 'maxabs' or 'quantile'). Received: clip={clip!r} and "
        f"method={method!r}. Omit it for no limits."
    )


def check_no_std_options(method: Method, correction: Real, tolerance: Real) -> None:
    """Check that options of the standard deviation are passed to ``method="standard"`` only.

    Raises
    ------
    DataError
        If another method has one of them.
    """
    if correction or tolerance:
        raise DataError(
            "correction= and tolerance= concern the standard deviation, which only "
            f"method='standard' uses. Received: correction={correction}, "
            f"tolerance={tolerance} and method={method.name!r}. Omit them."
        )
