"""Recognize images in formats that evenly does not decode, and name the way to fit them.

Their decoders are larger or less tested than those of the formats that are read, reduce 10 and 12
bits to 8, or (TGA) accept almost any file.
"""

from pathlib import PurePath

_SUFFIXES = {
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIF"),
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"), "JPEG 2000"),
    ".jxl": "JPEG XL",
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA"),
    ".qoi": "QOI",
    ".psd": "Photoshop",
    ".exr": "OpenEXR",
    ".hdr": "Radiance HDR",
    ".dds": "DDS",
    ".ico": "ICO",
    ".pcx": "PCX",
    ".svg": "SVG",
}
_MAGIC = {
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xffO\xffQ": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\n": "JPEG XL",
    b"qoif": "QOI",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"DDS ": "DDS",
    b"\0\0\1\0": "ICO",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"mif1": "HEIF"}
"""The formats of ISO containers by the four bytes from the ninth on."""


def other_image(head: bytes) -> str:
    r"""Return the format of an image that is not read, by its first 12 bytes; empty for others.

    >>> other_image(b"\0\0\0\x20ftypavif"), other_image(b"\x89PNG")
    ('AVIF', '')
    """
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def other_image_by_name(name: str) -> str:
    """Return the format of an image that is not read, by its suffix; empty for others.

    >>> other_image_by_name("a/b.AVIF"), other_image_by_name("a/b.png")
    ('AVIF', '')
    """
    return _SUFFIXES.get(PurePath(name).suffix.lower(), "")


def other_image_error_text(label: str, found: str) -> str:
    """Return the message for an image that is not read."""
    return (
        "An image must be JPEG, PNG, WebP, TIFF, BMP, GIF, PBM, PGM or PPM. Received: "
        f"{label}, which is {found}. Decode it first, with Pillow for example: "
        "evenly.fit(PIL.Image.open(path) for path in paths)."
    )
