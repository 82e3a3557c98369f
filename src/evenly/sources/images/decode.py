"""An image file's bytes into Pillow's image; or, in words, why not."""

import io
from typing import Any, NamedTuple

import numpy as np

from evenly import extras
from evenly.sources.read_errors import reason
from evenly.system.errors import is_system_error

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""What Pillow is allowed to take a file for: its other readers start programs, or draw."""

_PLUGINS = ("Jpeg", "Png", "WebP", "Tiff", "Bmp", "Gif", "Ppm")


class UnreadableError(Exception):
    """One image cannot be counted; its message says why, without its name."""


class Decoded(NamedTuple):
    """An image as Pillow has decoded it.

    Attributes
    ----------
    image
        Its first frame.
    several
        Whether it has more frames, or pages.
    cut
        Whether the file holds 16 bits a colour, of which Pillow keeps the upper 8.
    """

    image: Any
    multi_frame: bool
    truncated_depth: bool


def pillow() -> Any:
    """Return Pillow's module of images, with the readers of our formats.

    Raises
    ------
    MissingExtraError
        When Pillow is not installed.
    """
    module = extras.require("PIL.Image", extra="images", feature="Reading images")
    for name in _PLUGINS:
        extras.require(f"PIL.{name}ImagePlugin", extra="images", feature="Reading images")
    return module


def decode(pillow: Any, content: Any) -> Decoded:
    """Return the image in a file's bytes, decoded in full size; or Pillow's own, loaded.

    Raises
    ------
    UnreadableError
        When it is broken, truncated, no image at all, or too large for Pillow's limit.
    MemoryError, OSError
        When the system has not enough memory, or cannot read Pillow's own.
    """
    if not isinstance(content, bytes):
        try:
            content.load()
        except Exception as error:
            raise reason_of(error) from None
        return Decoded(content, False, False)
    if not content:
        raise UnreadableError("it is empty")
    spare = _SPARE_BYTES
    try:
        image = pillow.open(io.BytesIO(content), formats=FORMATS)
        spare += 8 * image.width * image.height
        return _loaded(image)
    except pillow.UnidentifiedImageError:
        raise UnreadableError(f"it is no image: it begins with {content[:8]!r}") from None
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        text = str(error).partition(", could be")[0]
        raise UnreadableError(f"{text}; raise PIL.Image.MAX_IMAGE_PIXELS if it is meant") from None
    except Exception as error:
        why = reason_of(error)
    if isinstance(why, UnreadableError):
        return _decoded_again(pillow, content, spare)
    raise why


_SPARE_BYTES = 64 << 20
"""Bytes of memory with which, besides those of an image and a copy, decoding lacks none."""


def _decoded_again(pillow: Any, content: bytes, spare: int) -> Decoded:
    """Decode once more, when there is memory, before an image is called broken.

    Codecs that get no memory often say that the data are damaged.
    """
    np.empty(spare, np.uint8)
    try:
        return _loaded(pillow.open(io.BytesIO(content), formats=FORMATS))
    except Exception as error:
        raise reason_of(error) from None


def _loaded(image: Any) -> Decoded:
    several = image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False)
    cut = _is_cut(image)
    image.load()
    return Decoded(image, several, cut)


def reason_of(error: Exception) -> Exception:
    """Return why an image cannot be counted; the error itself, if it says nothing of the image.

    Damaged bytes make Pillow raise almost anything.
    """
    if isinstance(error, UnreadableError | ImportError) or is_system_error(error):
        return error
    return UnreadableError(reason(error))


def _is_cut(image: Any) -> bool:
    if image.mode.startswith("I") or not image.tile:
        return False
    arguments = image.tile[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(first, str) and ";16" in first
