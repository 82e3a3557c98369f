"""Pixels on the scales of 0 to 255 and of 0 to 1: conversions, and a warning for a mismatch."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from evenly.errors import DataError
from evenly.moments import Moments
from evenly.sources.images.bands import FULL_SCALE
from evenly.transform import Scaling
from evenly.unit_scale import white_level

_WITHOUT_MINIMUM = torch.uint16, torch.uint32, torch.uint64


def white_of(moments: Moments) -> int:
    """Return the value of white, for an input on the scale of 0 to 1.

    Raises
    ------
    DataError
        If it is unknown: the data is neither of uint8 or uint16 nor on the scale of 0 to 1.
    """
    are_floats = not set(moments.dtypes) & FULL_SCALE.keys()
    return 1 if are_floats and _is_unit(moments) else white_level(moments)


def check_white(moments: Moments, white: int) -> None:
    """Check that moments are of pixels with this value of white."""
    if white_level(moments) != white:
        raise DataError(
            f"The moments of this layer must be of pixels with {white} for white, since it was "
            f'created with scale="0..1". Received: {white_level(moments)} for white. Create '
            "another layer with Normalize.from_moments(...)."
        )


def divide_by_white(scaling: Scaling, white: int) -> Scaling:
    """Return the scaling of ``x / white`` for that of x, each number rounded once more."""
    means = [
        (Fraction(hi) + Fraction(lo)) / white for hi, lo in zip(scaling.hi, scaling.lo, strict=True)
    ]
    hi = [float(mean) for mean in means]
    lo = [float(mean - Fraction(nearest)) for mean, nearest in zip(means, hi, strict=True)]
    factor = scaling.factor / white if scaling.inverse else scaling.factor * white
    return replace(scaling, hi=np.array(hi), lo=np.array(lo), factor=factor)


def describe_mismatch(moments: Moments, white: int, x: Tensor) -> str:
    """Return a warning if the input has another scale than the statistics; else an empty text.

    Pixels that were divided by 255 are floats between 0 and 1 that are not all integers.
    """
    if not x.numel():
        return ""
    if x.dtype in _WITHOUT_MINIMUM:
        x = x.double()
    low, high, mean = (float(value) for value in (x.min(), x.max(), x.double().mean()))
    if _are_pixels(moments) and white == 1 and 0 <= low < high <= 1 and bool((x % 1 != 0).any()):
        return (
            "The input must be on the scale of the statistics, which are of pixels of dtype "
            f"{moments.dtypes[0]}, up to {np.nanmax(moments.max):g}. Received: values from "
            f'{low:.3g} to {high:.3g}. Pass scale="0..1" to Normalize.from_moments or .fit, or '
            "pass pixels that are not divided by 255."
        )
    if (white != 1 or _is_unit(moments)) and low >= 0 and mean > 1:
        return (
            "The input must be on the scale of the statistics, from 0 to 1. Received: values from "
            f"{low:.3g} to {high:.3g}. Divide pixels by 255, or fit the data as it is passed."
        )
    return ""


def _are_pixels(moments: Moments) -> bool:
    """Return whether statistics are of 8-bit or 16-bit pixels that are not only 0 and 1."""
    return set(moments.dtypes) <= FULL_SCALE.keys() and bool((moments.max > 1).any())


def _is_unit(moments: Moments) -> bool:
    """Return whether the data is between 0 and 1."""
    is_outside = (moments.min < 0) | (moments.max > 1)  # False for a column without values
    return bool((moments.max > 0).any() and not is_outside.any())
