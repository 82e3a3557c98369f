"""Mean and standard deviation of pixels on the scale from 0 to 1, for vision libraries."""

from typing import TYPE_CHECKING, NamedTuple

from evenly import _core, exact_stats
from evenly.errors import DataError, format_names
from evenly.sources.images.bands import COLORS, FULL_SCALE, GRAY

if TYPE_CHECKING:
    from evenly.moments import Moments


class UnitScale(NamedTuple):
    """Result of `unit_scale`, in the order of the arguments of ``Normalize``."""

    mean: list[float]
    std: list[float]


def unit_scale(moments: "Moments", *, correction: int = 0) -> UnitScale:
    """Return the mean and standard deviation of pixels on a scale where 1 is white.

    Moments and the input of `Moments.normalize` are in the unit of the pixels, 0 to 255 (or to
    65535 with 16 bits). torchvision's ``ToTensor`` and similar transforms divide by 255 first;
    these values are for their output. Each is the float64 nearest to the exact value, whereas
    dividing ``moments.mean`` by 255 would round twice.

    Parameters
    ----------
    moments
        Moments of pixels: all columns of dtype uint8, or all of dtype uint16.
    correction
        See `Moments.std`.

    Raises
    ------
    DataError
        When the columns have another dtype, so that the value of white is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import evenly
    >>> moments = evenly.fit(np.array([[0, 51], [255, 102]], np.uint8))
    >>> evenly.unit_scale(moments)
    UnitScale(mean=[0.5, 0.3], std=[0.5, 0.1])

    ``transforms.Normalize(*evenly.unit_scale(moments))`` creates the torchvision transform.
    """
    white = white_level(moments)
    exact_correction = exact_stats.as_correction(correction)
    means, stds = [], []
    with _core.ExactMode():
        for count, total, squares in moments.exact_sums():
            n, e = count
            means.append(exact_stats.mean((n * white, e), total) if n else float("nan"))
            ratio = exact_stats.variance_ratio(count, total, squares, exact_correction)
            if ratio is None:
                stds.append(float("nan"))
            else:
                p, q, power = ratio
                stds.append(exact_stats.sqrt_rounded(p, q * white**2, power))
    return UnitScale(means, stds)


def is_image_like(moments: "Moments") -> bool:
    """Return whether the columns are those of RGB or gray images, with a known white."""
    dtypes = set(moments.dtypes)
    return moments.columns in (COLORS, GRAY) and len(dtypes) == 1 and dtypes <= FULL_SCALE.keys()


def white_level(moments: "Moments") -> int:
    """Return the value of white: 255 or 65535.

    Raises
    ------
    DataError
        When the dtypes do not determine it.
    """
    dtypes = sorted(set(moments.dtypes))
    if len(dtypes) == 1 and dtypes[0] in FULL_SCALE:
        return FULL_SCALE[dtypes[0]]
    raise DataError(
        "The unit scale requires pixels that are all of dtype uint8 or all of dtype uint16. "
        f"Received: dtypes {format_names(dtypes)}. Fit the images themselves, or divide "
        "moments.mean and moments.std() by the value of white."
    )
