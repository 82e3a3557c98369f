"""The lines to paste into ``torchvision.transforms``, of moments that are of pixels."""

from collections.abc import Sequence

from evenly.moments import Moments
from evenly.unit_scale import is_image_like, unit_scale, white_level


def normalize_lines(moments: Moments) -> list[str]:
    r"""Return the mean and std in both scales, a line each; nothing when these are no pixels.

    Six decimals say more than the float32 that a network computes in; all digits are in
    `evenly.unit_scale` and in the statistics file.

    >>> import numpy as np
    >>> pixels = np.array([[0, 51, 255], [255, 102, 255]], np.uint8)
    >>> print("\n".join(normalize_lines(Moments.empty(["red", "green", "blue"]).update(pixels))))
    0 to 1    transforms.Normalize(mean=[0.5, 0.3, 1.0], std=[0.5, 0.1, 0.0])
    0 to 255  transforms.Normalize(mean=[127.5, 76.5, 255.0], std=[127.5, 25.5, 0.0])
    """
    if not is_image_like(moments):
        return []
    own = f"0 to {white_level(moments)}"
    means, stds = moments.mean.tolist(), moments.std().tolist()
    return [
        f"{'0 to 1'.ljust(len(own))}  {_call(*unit_scale(moments))}",
        f"{own}  {_call(means, stds)}",
    ]


def _call(mean: Sequence[float], std: Sequence[float]) -> str:
    return f"transforms.Normalize(mean={_list(mean)}, std={_list(std)})"


def _list(values: Sequence[float]) -> str:
    return str([round(value, 6) for value in values])
