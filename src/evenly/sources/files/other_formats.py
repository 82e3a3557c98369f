"""Formats that evenly does not read, images among them, and how to read them."""

from pathlib import PurePath

from evenly.sources.files.file_ref import suffixes_of

_READERS = {
    ".avro": "polars.read_avro",
    ".dta": "pandas.read_stata",
    ".fits": "astropy.io.fits.getdata",
    ".html": "pandas.read_html",
    ".jsonl": "polars.read_ndjson",
    ".mat": "scipy.io.loadmat",
    ".ndjson": "polars.read_ndjson",
    ".orc": "pandas.read_orc",
    ".safetensors": "safetensors.numpy.load_file",
    ".sav": "pandas.read_spss",
    ".xml": "pandas.read_xml",
    **dict.fromkeys((".grb", ".grib", ".grib2"), "xarray.open_dataset"),
    **dict.fromkeys((".ods", ".xls", ".xlsb", ".xlsm", ".xlsx"), "pandas.read_excel"),
    **dict.fromkeys((".pickle", ".pkl"), "pandas.read_pickle"),
    **dict.fromkeys((".ckpt", ".pt", ".pth"), "torch.load"),
    **dict.fromkeys((".sas7bdat", ".xpt"), "pandas.read_sas"),
}
"""Functions by the suffixes of the files that they read."""
_IMAGES = {
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
"""Formats of images by the suffixes of their files. Their decoders are larger or less tested than
those of the formats that are read, reduce 10 and 12 bits to 8, or (TGA) accept almost any file."""
_IMAGE_STARTS = {
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
"""Formats of images by the first bytes of their files."""
_IMAGE_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIF",
    b"heix": "HEIF",
    b"mif1": "HEIF",
}
"""The formats of ISO containers by the four bytes from the ninth on."""


def reading_advice(path: str) -> str:
    """Return what to do with a file in another format, after a space; "" if it is not known.

    >>> reading_advice("x.xlsx")
    ' Read it with pandas.read_excel, and pass the result.'
    >>> reading_advice("x.bin")
    ''
    """
    suffix = suffixes_of(path)[0]
    if suffix == ".json":
        return (
            " Show a statistics file with `evenly show`, and add several with `evenly merge`. Read "
            "other JSON with pandas.read_json, and pass the result."
        )
    reader = _READERS.get(suffix)
    return "" if reader is None else f" Read it with {reader}, and pass the result."


def other_image(head: bytes) -> str:
    r"""Return the format of an image that is not read, by its first 12 bytes; empty for others.

    >>> other_image(b"\0\0\0\x20ftypavif"), other_image(b"\x89PNG")
    ('AVIF', '')
    """
    if head[4:8] == b"ftyp":
        return _IMAGE_BRANDS.get(head[8:12], "")
    return next((name for magic, name in _IMAGE_STARTS.items() if head.startswith(magic)), "")


def other_image_by_name(name: str) -> str:
    """Return the format of an image that is not read, by its suffix; empty for others.

    >>> other_image_by_name("a/b.AVIF"), other_image_by_name("a/b.png")
    ('AVIF', '')
    """
    return _IMAGES.get(PurePath(name).suffix.lower(), "")


def other_image_error_text(label: str, found: str) -> str:
    """Return the message for an image that is not read."""
    return (
        "An image must be JPEG, PNG, WebP, TIFF, BMP, GIF, PBM, PGM or PPM. Received: "
        f"{label}, which is {found}. Decode it first, with Pillow for example: "
        "evenly.fit(PIL.Image.open(path) for path in paths)."
    )
