"""The rule of what a pixel counts as: `docs/images.md` has it as a table, with the reasons."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError
from evenly.sources.images.decode import UnreadableError, reason_of

MODES = ("RGB", "L", "native")
COLORS = ("red", "green", "blue")
GRAY = ("grey",)
FULL_SCALE = {"uint8": 255, "uint16": 65535}
"""What stands for 1, by the dtype of the pixels; ``v / 255 == 257 * v / 65535``, exactly."""

_BANDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("L", "I;16", "I", "F"), GRAY),
    "LA": ("grey", "alpha"),
    **dict.fromkeys(("RGB", "RGBX"), COLORS),
    "RGBA": (*COLORS, "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "YCbCr": ("luma", "chroma blue", "chroma red"),
    "LAB": ("lightness", "a", "b"),
    "HSV": ("hue", "saturation", "value"),
}
"""The bands of Pillow's modes, in the order in which their arrays have them."""

_DEPTHS = ("I;16", "I;16L", "I;16B", "I;16N")
_FOUR_BYTE_MODES = ("RGB", "RGBX", "RGBA", "CMYK")
"""The modes that Pillow keeps in four bytes a pixel, in the order of `_BANDS`."""


class Pixels(NamedTuple):
    """An image's pixels as they lie in memory: rows, or rows x bands with one to spare.

    Attributes
    ----------
    kind
        Pillow's mode, which `columns` makes columns of.
    array
        Often a view of Pillow's memory.
    """

    kind: str
    array: npt.NDArray[Any]


def check_mode(mode: str) -> None:
    """Check that there is such a mode."""
    if mode not in MODES:
        raise DataError(
            f"mode must be one of {', '.join(map(repr, MODES))}. Received: {mode!r}. "
            "'RGB' takes all images as colours, 'L' as grey, 'native' as they are."
        )


def columns(kind: str, mode: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names of the columns of an image, and in which of its bands each one lies.

    >>> columns("RGBA", "RGB"), columns("L", "RGB")
    ((('red', 'green', 'blue'), (0, 1, 2)), (('red', 'green', 'blue'), (0, 0, 0)))
    """
    bands = _BANDS[kind]
    if mode == "native":
        return bands, tuple(range(len(bands)))
    if mode == "L":
        return GRAY, (0,)
    return COLORS, ((0, 0, 0) if bands[0] == "grey" else (0, 1, 2))


def pixels(image: Any, mode: str) -> Pixels:
    """Return the pixels of a loaded image, converted where its mode asks for it.

    Raises
    ------
    UnreadableError
        When they have no place on a scale from black to white.
    MemoryError
        When there is not enough memory for them.
    """
    if 0 in image.size:
        raise UnreadableError("it has no pixels")
    try:
        kind = _kind(image)
        target = _target_mode(image, kind, mode)
        if target != kind:
            image, kind = _converted(image, target), target
        return Pixels(kind, _array(image, kind))
    except Exception as error:
        raise reason_of(error) from None


def _kind(image: Any) -> str:
    """Return Pillow's mode, the four spellings of 16-bit grey being one."""
    if image.mode in _DEPTHS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return "I;16"  # both formats have at most 16 bits, which older Pillows put into 32
    return str(image.mode)


def _target_mode(image: Any, kind: str, mode: str) -> str:
    """Return the mode to convert an image to, which most are in already."""
    if kind in ("1", "La"):
        return {"1": "L", "La": "LA"}[kind]
    if mode == "native":
        clear = kind in ("PA", "RGBa") or (kind == "P" and "transparency" in image.info)
        return kind if kind in _BANDS else "RGBA" if clear else "RGB"
    if kind in ("I", "F"):
        raise UnreadableError(
            f"its values are {'32-bit integers' if kind == 'I' else 'floats'}, of which none is "
            "white; mode='native' takes them as they are"
        )
    if kind in ("L", "LA", "I;16"):
        return kind
    return "L" if mode == "L" else kind if kind in ("RGB", "RGBX", "RGBA") else "RGB"


def _converted(image: Any, target: str) -> Any:
    """Return the image in another mode, by Pillow's own formula; alpha is dropped."""
    copy = image.copy()  # not the user's own
    if target != "RGBA":
        copy.info.pop("transparency", None)  # of which Pillow would warn that it is lost
    try:
        if copy.mode == "LAB" and target == "L":  # which Pillow knows no direct way for
            copy = copy.convert("RGB")
        return copy.convert(target)
    except ValueError as error:
        raise UnreadableError(f"{error}; convert it, or pass mode='native'") from None


def _array(image: Any, kind: str) -> npt.NDArray[Any]:
    if kind == "I;16":
        return np.asarray(image).astype(np.uint16, copy=False).reshape(-1)
    if kind not in _FOUR_BYTE_MODES:
        array = np.asarray(image)
        return array.reshape(-1) if array.ndim == 2 else array.reshape(-1, array.shape[2])
    found = _memory(image)
    if found is None:
        found = np.frombuffer(image.tobytes("raw", "RGBX" if kind == "RGB" else kind), np.uint8)
    return found.reshape(-1, 4)


def _memory(image: Any) -> npt.NDArray[np.uint8] | None:
    """Return Pillow's memory of an image; None of a large one, which is in several pieces.

    A copy takes a tenth of the time that decoding takes (256x256: 30 of 250 µs).
    """
    if not hasattr(image, "__arrow_c_array__"):  # an older Pillow
        return None
    from nanoarrow import c_array

    try:
        return np.asarray(_Memory(c_array(image)))
    except ValueError:
        return None


class _Memory:
    """The values of an Arrow array of four bytes a row, as NumPy takes a foreign array."""

    def __init__(self, array: Any) -> None:
        values = array.child(0)
        if values.schema.format != "C" or values.offset or values.length != 4 * array.length:
            raise ValueError("not four bytes a pixel")
        self._owner = array  # lives as long as the array, whose base this object is
        self.__array_interface__ = {
            "version": 3,
            "shape": (array.length, 4),
            "typestr": "|u1",
            "data": (values.buffers[1], True),
        }
