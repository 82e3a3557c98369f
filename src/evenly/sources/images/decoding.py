"""An image file's bytes into Pillow's image; or, in words, why not."""

import io
from typing import Any, NamedTuple

from evenly import extras

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
    several: bool
    cut: bool


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
    """
    if isinstance(content, bytes) and not content:
        raise UnreadableError("it is empty")
    try:
        if not isinstance(content, bytes):
            content.load()
            return Decoded(content, False, False)
        image = pillow.open(io.BytesIO(content), formats=FORMATS)
        several = image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False)
        cut = _is_cut(image)
        image.load()
    except MemoryError:
        raise
    except pillow.UnidentifiedImageError:
        raise UnreadableError(f"it is no image: it begins with {content[:8]!r}") from None
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        text = str(error).partition(", could be")[0]
        raise UnreadableError(f"{text}; raise PIL.Image.MAX_IMAGE_PIXELS if it is meant") from None
    except Exception as error:  # damaged bytes make Pillow raise almost anything
        text = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UnreadableError(text) from None
    return Decoded(image, several, cut)


def _is_cut(image: Any) -> bool:
    if image.mode.startswith("I") or not image.tile:
        return False
    arguments = image.tile[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(first, str) and ";16" in first
