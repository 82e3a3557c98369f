"""Decode the TIFF files that Pillow cannot read, or not as they are stored, with tifffile.

These have more bands than a color has, 16 bits per color, or other types of numbers.
"""

import io
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenly.errors import EvenlyError
from evenly.sources.images.bands import COLORS, FULL_SCALE, GRAY, kind_of_bands
from evenly.sources.images.decode import (
    UnreadableError,
    as_unreadable,
    has_truncated_depth,
    too_many_pixels,
)
from evenly.sources.images.nodata import TAG, mask_pixels
from evenly.sources.images.pixels import to_gray
from evenly.sources.size_limits import check_size
from evenly.typing import AnyArray

if TYPE_CHECKING:
    import tifffile


_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SAMPLES_PER_PIXEL = 277
"""The number of the tag of the number of bands."""

_ALPHA = (1, 2)
"""The values of the tag ExtraSamples for bands that are alpha, associated or not."""

_FIRST_BANDS = {
    "RGB": COLORS,
    "SEPARATED": ("cyan", "magenta", "yellow", "black"),
}
"""The bands of photometric interpretations; those of others have numbers only."""


class TiffImage(NamedTuple):
    """The pixels of the first page of a file.

    Attributes
    ----------
    kind
        The bands and the dtype; see `evenly.sources.images.bands.kind_of_bands`.
    array
        The values: rows, or rows x bands.
    multi_frame
        Whether the file has more pages.
    """

    kind: str
    array: AnyArray
    multi_frame: bool


def is_tiff(content: object) -> bool:
    """Return whether the contents of a file are a TIFF image."""
    return isinstance(content, bytes) and content.startswith(_MAGIC)


def read_tiff(pillow: ModuleType, content: bytes, mode: str) -> TiffImage | None:
    """Return the pixels of a TIFF file as they are stored; None if Pillow reads it like that.

    Raises
    ------
    UnreadableError
        If it is corrupt, has no colors for the mode, or tifffile is needed and not installed.
    """
    unread = _reason_for_tifffile(pillow, content, mode)
    if not unread:
        return None
    try:
        tifffile = import_module("tifffile")
    except ImportError:
        if unread == "depth":
            return None  # Pillow reads the upper 8 bits, which the summary reports
        raise UnreadableError(
            f"it is a TIFF file with {unread}, which needs tifffile: pip install 'evenly[tiff]'"
        ) from None
    try:
        return _read(tifffile, pillow, content, mode)
    except EvenlyError:
        raise
    except Exception as error:  # tifffile raises almost any exception for corrupt data
        raise as_unreadable(error) from None


def _reason_for_tifffile(pillow: ModuleType, content: bytes, mode: str) -> str:
    """Return the feature of a TIFF file that Pillow cannot read; empty if it reads the file."""
    try:
        with pillow.open(io.BytesIO(content), formats=("TIFF",)) as image:
            if has_truncated_depth(image):
                return "depth"
            more_bands = image.tag_v2.get(_SAMPLES_PER_PIXEL, 1) > len(image.getbands())
            return "more bands than Pillow reads" if mode == "native" and more_bands else ""
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
        return ""  # Pillow raises it again, for the message
    except Exception:  # Pillow knows the combinations of bands and types that it can read
        return "bands that Pillow cannot read"


def _read(tifffile: ModuleType, pillow: ModuleType, content: bytes, mode: str) -> TiffImage:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        _check(page, pillow, len(content))
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        names = _band_names(page)
        tag = page.tags.get(TAG)
        array = mask_pixels(values.reshape(-1, len(names)), None if tag is None else tag.value)
        kind, array = _convert(names, array, mode)
        return TiffImage(kind, array, len(file.pages) > 1)


def _check(page: "tifffile.TiffPage", pillow: ModuleType, nbytes: int) -> None:
    """Check the size of a page, and that its data are complete, before it is decoded."""
    limit = pillow.MAX_IMAGE_PIXELS
    pixels = page.imagewidth * page.imagelength
    if limit is not None and pixels > 2 * limit:
        raise too_many_pixels(f"Image size ({pixels} pixels) exceeds limit of {2 * limit} pixels")
    if page.axes not in ("YX", "YXS", "SYX") or page.dtype is None or page.dtype.kind not in "iuf":
        raise UnreadableError(f"it has the axes {page.axes} and the dtype {page.dtype}")
    check_size(pixels * page.samplesperpixel * page.dtype.itemsize, "a page of a TIFF file")
    segments = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(offset + count > nbytes for offset, count in segments):
        raise UnreadableError("it is truncated")


def _band_names(page: "tifffile.TiffPage") -> tuple[str, ...]:
    """Return the names of the bands; those without a meaning have their number, from 1."""
    bands = page.samplesperpixel
    extra = tuple(map(int, page.extrasamples))
    first = _FIRST_BANDS.get(page.photometric.name, ())
    if bands == 1 or (bands == 2 and extra[:1] and extra[0] in _ALPHA):
        first = GRAY
    names = [*first[:bands], *(f"band_{number}" for number in range(len(first) + 1, bands + 1))]
    for position, value in enumerate(extra, bands - len(extra)):
        if value in _ALPHA and position >= len(first):
            names[position] = "alpha"
    return tuple(names)


def _convert(names: tuple[str, ...], array: AnyArray, mode: str) -> tuple[str, AnyArray]:
    """Return the kind and the pixels in a mode.

    Raises
    ------
    UnreadableError
        If the bands are not colors, or have no defined black and white.
    """
    dtype = array.dtype.name
    if mode == "native":
        return kind_of_bands(names, dtype), array if len(names) > 1 else array[:, 0]
    is_color = names[:3] == COLORS
    if dtype not in FULL_SCALE or not (is_color or names[:1] == GRAY):
        raise UnreadableError(
            f"its bands are {', '.join(names[:8])} of {dtype}, for which colors are not defined; "
            "mode='native' reads them as stored"
        )
    if is_color and mode == "L":
        return kind_of_bands(GRAY, dtype), to_gray(array)
    return kind_of_bands(names, dtype), array if len(names) > 1 else array[:, 0]
