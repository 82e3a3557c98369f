"""Most JPEGs, straight into an array: the same library that Pillow calls, with less around it.

Both call libjpeg-turbo, and the pixels are the same. Pillow reads a file's header in Python, and
hands over its content piece by piece, which takes as long as a small photograph's decoding.
"""

from importlib import import_module
from typing import Any, NamedTuple

_KINDS = {"YCbCr": ("RGB", "RGB"), "RGB": ("RGB", "RGB"), "Gray": ("L", "GRAY")}
"""By how a file codes its colours: what Pillow calls them, and what simplejpeg does."""


def decoder() -> Any:
    """Return the module simplejpeg; None where it is not installed, and Pillow decodes alone."""
    try:
        return import_module("simplejpeg")
    except ImportError:
        return None


class Header(NamedTuple):
    """What a JPEG says of itself.

    Attributes
    ----------
    kind
        Pillow's mode.
    target
        The same as simplejpeg calls it.
    nbytes
        Of its pixels.
    """

    kind: str
    target: str
    nbytes: int


def fast_header(decoder: Any, content: Any, mode: str, most: int | None) -> Header | None:
    """Return the header of a file's bytes; None where Pillow has to decide.

    Which it has of what is no JPEG, is coded in an unusual way, has more than `most` pixels, or
    must be converted.
    """
    if decoder is None or not isinstance(content, bytes) or not content.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, coded, _ = decoder.decode_jpeg_header(content)
    except MemoryError:
        raise
    except Exception:  # of what is damaged; Pillow says what is wrong with it
        return None
    kind, target = _KINDS.get(coded, ("", ""))
    too_large = most is not None and height * width > most
    if not kind or too_large or (mode == "L" and kind != "L"):
        return None
    return Header(kind, target, height * width * len(kind))


def decode_into(decoder: Any, content: bytes, header: Header, memory: Any) -> bool:
    """Decode a file's bytes into memory of the header's size; False where Pillow has to decide.

    Which it has of what is damaged in the least.
    """
    try:
        decoder.decode_jpeg(content, header.target, buffer=memory)
    except MemoryError:
        raise
    except Exception:  # also for what libjpeg only warns of, which Pillow takes or refuses
        return False
    return True
