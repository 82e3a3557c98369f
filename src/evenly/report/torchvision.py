"""Lines to paste into ``torchvision.transforms``, for the moments of images."""

from collections.abc import Sequence

from evenly.moments import Moments
from evenly.unit_scale import is_image_like, unit_scale, white_level


def normalize_lines(moments: Moments) -> list[str]:
    r"""Return ``transforms.Normalize`` lines in two scales, or no lines if not of pixels.

    Six decimals are more precise than the float32 of a network; `evenly.unit_scale` and the
    statistics file have all digits.

    >>> import numpy as np
    >>> pixels = np.array([[0, 51, 255], [255, 102, 255]], np.uint8)
    >>> print("\n".join(normalize_lines(Moments.empty(["red", "green", "blue"]).update(pixels))))
    0 to 1    transforms.Normalize(mean=[0.5, 0.3, 1.0], std=[0.5, 0.1, 0.0])
    0 to 255  transforms.Normalize(mean=[127.5, 76.5, 255.0], std=[127.5, 25.5, 0.0])
    """
    if not is_image_like(moments):
        return []
    pixel_range = f"0 to {white_level(moments)}"
    means, stds = moments.mean.tolist(), moments.std().tolist()
    return [
        f"{'0 to 1'.ljust(len(pixel_range))}  {_format_call(*unit_scale(moments))}",
        f"{pixel_range}  {_format_call(means, stds)}",
    ]


def _format_call(mean: Sequence[float], std: Sequence[float]) -> str:
    return f"transforms.Normalize(mean={_format_list(mean)}, std={_format_list(std)})"


def _format_list(values: Sequence[float]) -> str:
    return str([round(value, 6) for value in values])
