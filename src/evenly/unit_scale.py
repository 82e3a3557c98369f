"""The mean and std of pixels on the scale from 0 to 1, as vision libraries want them."""

from typing import TYPE_CHECKING, NamedTuple

from evenly import _core, exact_stats
from evenly.errors import DataError, format_names
from evenly.sources.images.pixels import COLORS, FULL_SCALE, GRAY

if TYPE_CHECKING:
    from evenly.moments import Moments


class UnitScale(NamedTuple):
    """What `unit_scale` returns; as arguments, in their order, it suits ``Normalize``."""

    mean: list[float]
    std: list[float]


def unit_scale(moments: "Moments", *, correction: int = 0) -> UnitScale:
    """Return the mean and std of pixels on the scale of 0 to 1, where 1 is white.

    Moments are in the unit of the pixels, 0 to 255 (or to 65535 with 16 bits), and so is what
    `Moments.normalize` takes. torchvision's ``ToTensor`` and its like divide by 255 first:
    these are the figures for what they make. Each is the float64 nearest to the exact one;
    dividing ``moments.mean`` by 255 would round twice.

    Parameters
    ----------
    moments
        Of pixels: all columns of dtype uint8, or all of uint16.
    correction
        As of `Moments.std`.

    Raises
    ------
    DataError
        When the columns have another dtype: nothing says which value is white.

    Examples
    --------
    >>> import numpy as np
    >>> import evenly
    >>> moments = evenly.fit(np.array([[0, 51], [255, 102]], np.uint8))
    >>> evenly.unit_scale(moments)
    UnitScale(mean=[0.5, 0.3], std=[0.5, 0.1])

    ``transforms.Normalize(*evenly.unit_scale(moments))`` is torchvision's layer of them.
    """
    white = white_level(moments)
    exact = exact_stats.as_correction(correction)
    means, stds = [], []
    with _core.ExactMode():
        for count, total, squares in moments._sums():
            n, e = count
            means.append(exact_stats.mean((n * white, e), total) if n else float("nan"))
            ratio = exact_stats.variance_ratio(count, total, squares, exact)
            if ratio is None:
                stds.append(float("nan"))
            else:
                p, q, power = ratio
                stds.append(exact_stats.sqrt_rounded(p, q * white**2, power))
    return UnitScale(means, stds)


def is_image_like(moments: "Moments") -> bool:
    """Whether the columns are red, green and blue, or grey, of a dtype with a white."""
    kinds = set(moments.dtypes)
    return moments.columns in (COLORS, GRAY) and len(kinds) == 1 and kinds <= FULL_SCALE.keys()


def white_level(moments: "Moments") -> int:
    """Return the number that stands for white: 255 or 65535.

    Raises
    ------
    DataError
        When the dtypes do not say.
    """
    kinds = sorted(set(moments.dtypes))
    if len(kinds) == 1 and kinds[0] in FULL_SCALE:
        return FULL_SCALE[kinds[0]]
    raise DataError(
        "Only pixels that are all of dtype uint8, or all uint16, have a scale from 0 to 1. "
        f"Received: dtypes {format_names(kinds)}. Fit the images themselves, or divide "
        "moments.mean and moments.std() by what white is."
    )
