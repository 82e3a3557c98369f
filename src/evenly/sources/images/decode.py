"""Decode image files with Pillow, and most JPEG files faster with simplejpeg.

Both use libjpeg-turbo, and the pixels are the same. Pillow parses the header in Python and passes
the data to the decoder in pieces, which takes as long as decoding a small photograph.
"""

import io
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evenly import extras
from evenly.sources.files.other_formats import other_image
from evenly.sources.files.recordings import recording_of
from evenly.sources.read_errors import reason
from evenly.system.errors import is_system_error

if TYPE_CHECKING:
    import PIL.Image


FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""The formats that Pillow may detect; its other readers start programs or render drawings."""

_PLUGINS = ("Jpeg", "Png", "WebP", "Tiff", "Bmp", "Gif", "Ppm")


class UnreadableError(Exception):
    """An image cannot be read; the message is the reason, without the name of the image."""


class Decoded(NamedTuple):
    """An image decoded by Pillow.

    Attributes
    ----------
    image
        The first frame.
    multi_frame
        Whether the file has more frames or pages.
    truncated_depth
        Whether the file has 16 bits per channel, of which Pillow keeps the upper 8.
    """

    image: "PIL.Image.Image"
    multi_frame: bool
    truncated_depth: bool


def pillow() -> ModuleType:
    """Return the module ``PIL.Image`` after importing the readers of all `FORMATS`.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    module = extras.require("PIL.Image", extra="images", feature="Reading images")
    for name in _PLUGINS:
        extras.require(f"PIL.{name}ImagePlugin", extra="images", feature="Reading images")
    return module


def decode(pillow: ModuleType, content: Any) -> Decoded:
    """Decode the contents of an image file in full size, or load a Pillow image.

    Raises
    ------
    UnreadableError
        If it is corrupt, truncated, not an image, or exceeds Pillow's limit.
    MemoryError, OSError
        If there is not enough memory, or the system cannot read the Pillow image.
    """
    if not isinstance(content, bytes):
        try:
            content.load()
        except Exception as error:
            raise as_unreadable(error) from None
        return Decoded(content, False, False)
    if not content:
        raise UnreadableError("it is empty")
    spare = _SPARE_BYTES
    try:
        image = pillow.open(io.BytesIO(content), formats=FORMATS)
        spare += 8 * image.width * image.height
        return _load(image)
    except pillow.UnidentifiedImageError:
        raise UnreadableError(_describe(content)) from None
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise too_many_pixels(str(error).partition(", could be")[0]) from None
    except Exception as error:
        converted = as_unreadable(error)
    if isinstance(converted, UnreadableError):
        return _decode_again(pillow, content, spare)
    raise converted


def too_many_pixels(text: str) -> UnreadableError:
    """Return the error for an image that exceeds Pillow's limit."""
    return UnreadableError(f"{text}; increase PIL.Image.MAX_IMAGE_PIXELS to allow it")


def _describe(content: bytes) -> str:
    """Describe a file that Pillow does not recognize."""
    found = recording_of(content)
    if found:
        return f"it is {found}, which must be decoded to an array first"
    image = other_image(content)
    if image:
        return f"it is {image}, which is not read: pass it as a Pillow image"
    return f"it is not an image: it begins with {content[:8]!r}"


_SPARE_BYTES = 64 << 20
"""Memory that is sufficient for decoding in addition to an image and a copy of it, in bytes."""


def _decode_again(pillow: ModuleType, content: bytes, spare: int) -> Decoded:
    """Decode once more with enough memory before an image is reported as broken.

    Codecs often report corrupt data when they run out of memory.
    """
    np.empty(spare, np.uint8)
    try:
        return _load(pillow.open(io.BytesIO(content), formats=FORMATS))
    except Exception as error:
        raise as_unreadable(error) from None


def _load(image: "PIL.Image.Image") -> Decoded:
    multi_frame = image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False)
    truncated_depth = has_truncated_depth(image)
    image.load()
    return Decoded(image, multi_frame, truncated_depth)


def as_unreadable(error: Exception) -> Exception:
    """Convert an exception of a decoder to `UnreadableError`; return system errors unchanged.

    Pillow raises almost any exception for corrupt data.
    """
    if isinstance(error, UnreadableError | ImportError) or is_system_error(error):
        return error
    return UnreadableError(reason(error))


def has_truncated_depth(image: "PIL.Image.Image") -> bool:
    """Return whether an image has 16 bits per channel, of which Pillow keeps the upper 8."""
    if image.mode.startswith("I") or not image.tile:
        return False
    arguments = image.tile[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(first, str) and ";16" in first


_SIMPLEJPEG_MODES = {"YCbCr": ("RGB", "RGB"), "RGB": ("RGB", "RGB"), "Gray": ("L", "GRAY")}
"""Color spaces of JPEG files, each with the modes of Pillow and of simplejpeg to decode to."""


def jpeg_decoder() -> Any:
    """Return the module ``simplejpeg``; None if it is not installed and Pillow decodes JPEG."""
    try:
        return import_module("simplejpeg")
    except ImportError:
        return None


class JpegHeader(NamedTuple):
    """The header of a JPEG file.

    Attributes
    ----------
    kind
        The Pillow mode.
    target
        The name of that mode in simplejpeg.
    nbytes
        The size of the pixels in bytes.
    """

    kind: str
    target: str
    nbytes: int


def fast_header(decoder: Any, content: Any, mode: str, max_pixels: int | None) -> JpegHeader | None:
    """Return the header of a JPEG file; None if Pillow has to decode the file.

    Pillow decodes files that are not JPEG, have an unusual color space or more than ``max_pixels``
    pixels, or must be converted to another mode.
    """
    if decoder is None or not isinstance(content, bytes) or not content.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, color_space, _ = decoder.decode_jpeg_header(content)
    except MemoryError:
        raise
    except Exception:  # for corrupt files, which Pillow diagnoses
        return None
    kind, target = _SIMPLEJPEG_MODES.get(color_space, ("", ""))
    too_large = max_pixels is not None and height * width > max_pixels
    if not kind or too_large or (mode == "L" and kind != "L"):
        return None
    return JpegHeader(kind, target, height * width * len(kind))


def decode_into(decoder: Any, content: bytes, header: JpegHeader, memory: Any) -> bool:
    """Decode a JPEG file into memory; return False if Pillow has to decode the file.

    That is the case for any corrupt file.
    """
    try:
        decoder.decode_jpeg(content, header.target, buffer=memory)
    except MemoryError:
        raise
    except Exception:  # also raised for warnings of libjpeg, where Pillow may accept the file
        return False
    return True
