"""Convert images to pixel values; ``docs/images.md`` lists the rules and the reasons."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.sources.images.bands import BANDS
from evenly.sources.images.decode import UnreadableError, as_unreadable
from evenly.sources.images.nodata import TAG as GDAL_NODATA
from evenly.sources.images.nodata import mask_pixels
from evenly.typing import AnyArray

if TYPE_CHECKING:
    import PIL.Image


_DEPTHS = ("I;16", "I;16L", "I;16B", "I;16N")
_FOUR_BYTE_MODES = ("RGB", "RGBX", "RGBA", "CMYK")
"""The modes that Pillow stores with four bytes per pixel, in the order of `BANDS`."""


class Pixels(NamedTuple):
    """The pixels of an image as stored: rows, or rows x bands, possibly with an unused band.

    Attributes
    ----------
    kind
        The Pillow mode; `evenly.sources.images.bands.band_columns` returns its columns.
    array
        The values, often a view of Pillow's memory.
    """

    kind: str
    array: AnyArray


def to_gray(colors: AnyArray) -> AnyArray:
    """Return the luma of red, green and blue by the formula of Pillow's mode "L".

    A pixel with a missing band is missing.
    """
    red, green, blue = (colors[:, band].astype(np.uint64) for band in range(3))
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return luma.astype(colors.dtype)


def pixels(image: "PIL.Image.Image", mode: str) -> Pixels:
    """Return the pixels of a loaded image, converted to another mode if necessary.

    Raises
    ------
    UnreadableError
        If the values have no defined black and white.
    MemoryError
        If there is not enough memory.
    """
    if 0 in image.size:
        raise UnreadableError("it has no pixels")
    try:
        kind = _pillow_mode(image)
        target = _target_mode(image, kind, mode)
        nodata = image.tag_v2.get(GDAL_NODATA) if image.format == "TIFF" else None
        if target == kind:
            return Pixels(kind, mask_pixels(_to_array(image, kind), nodata))
        array = _to_array(_convert(image, target), target)
        stored = None if nodata is None else np.asarray(image)
        return Pixels(target, mask_pixels(array, nodata, stored))
    except Exception as error:
        raise as_unreadable(error) from None


def _pillow_mode(image: "PIL.Image.Image") -> str:
    """Return the Pillow mode of an image, with one name for the four modes of 16-bit gray."""
    if image.mode in _DEPTHS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return "I;16"  # both formats have at most 16 bits, but older Pillows use 32
    return str(image.mode)


def _target_mode(image: "PIL.Image.Image", kind: str, mode: str) -> str:
    """Return the mode to convert an image to, often its own mode."""
    if kind in ("1", "La"):
        return {"1": "L", "La": "LA"}[kind]
    if mode == "native":
        has_alpha = kind in ("PA", "RGBa") or (kind == "P" and "transparency" in image.info)
        return kind if kind in BANDS else "RGBA" if has_alpha else "RGB"
    if kind in ("I", "F"):
        raise UnreadableError(
            f"its values are {'32-bit integers' if kind == 'I' else 'floats'}, for which white is "
            "not defined; mode='native' reads them as stored"
        )
    if kind in ("L", "LA", "I;16"):
        return kind
    return "L" if mode == "L" else kind if kind in ("RGB", "RGBX", "RGBA") else "RGB"


def _convert(image: "PIL.Image.Image", target: str) -> "PIL.Image.Image":
    """Convert an image to another mode with Pillow's formula; alpha is dropped."""
    copy = image.copy()  # do not modify the image of the user
    if target != "RGBA":
        copy.info.pop("transparency", None)  # Pillow would warn about its loss
    try:
        if copy.mode == "LAB" and target == "L":  # Pillow has no direct conversion
            copy = copy.convert("RGB")
        return copy.convert(target)
    except ValueError as error:
        raise UnreadableError(f"{error}; convert it, or pass mode='native'") from None


def _to_array(image: "PIL.Image.Image", kind: str) -> AnyArray:
    if kind == "I;16":
        return np.asarray(image).astype(np.uint16, copy=False).reshape(-1)
    if kind not in _FOUR_BYTE_MODES:
        array = np.asarray(image)
        return array.reshape(-1) if array.ndim == 2 else array.reshape(-1, array.shape[2])
    values = _view_memory(image)
    if values is None:
        values = np.frombuffer(image.tobytes("raw", "RGBX" if kind == "RGB" else kind), np.uint8)
    return values.reshape(-1, 4)


def _view_memory(image: object) -> npt.NDArray[np.uint8] | None:
    """Return a view of Pillow's memory; None for a large image, which is stored in pieces.

    A copy takes a tenth of the decoding time (30 of 250 µs for 256x256 pixels).
    """
    if not hasattr(image, "__arrow_c_array__"):  # an older Pillow
        return None
    from nanoarrow import c_array

    try:
        return np.asarray(_ArrowPixels(c_array(image)))
    except ValueError:
        return None


class _ArrowPixels:
    """The array interface for an Arrow array with four bytes per row."""

    def __init__(self, array: Any) -> None:
        values = array.child(0)
        if values.schema.format != "C" or values.offset or values.length != 4 * array.length:
            raise ValueError("not four bytes per pixel")
        self._owner = array  # kept alive by the NumPy array, whose base is this object
        self.__array_interface__ = {
            "version": 3,
            "shape": (array.length, 4),
            "typestr": "|u1",
            "data": (values.buffers[1], True),
        }
