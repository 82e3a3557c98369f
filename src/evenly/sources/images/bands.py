"""The bands of images: their names, the value of white, and the columns that they become."""

COLORS = ("red", "green", "blue")
GRAY = ("grey",)
FULL_SCALE = {"uint8": 255, "uint16": 65535}
"""The value that represents 1 by pixel dtype; ``v / 255 == 257 * v / 65535`` exactly."""

BANDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("L", "I;16", "I", "F"), GRAY),
    "LA": ("grey", "alpha"),
    **dict.fromkeys(("RGB", "RGBX"), COLORS),
    "RGBA": (*COLORS, "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "YCbCr": ("luma", "chroma blue", "chroma red"),
    "LAB": ("lightness", "a", "b"),
    "HSV": ("hue", "saturation", "value"),
}
"""The bands of Pillow modes, in the order of their arrays."""


def band_columns(kind: str, mode: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names of the columns of an image, and the index of the band of each.

    >>> band_columns("RGBA", "RGB"), band_columns("L", "RGB")
    ((('red', 'green', 'blue'), (0, 1, 2)), (('red', 'green', 'blue'), (0, 0, 0)))
    """
    bands = BANDS.get(kind) or tuple(kind.partition(";")[0].split(","))
    if mode == "native":
        return bands, tuple(range(len(bands)))
    if mode == "L":
        return GRAY, (0,)
    return COLORS, ((0, 0, 0) if bands[0] == "grey" else (0, 1, 2))


def kind_of_bands(names: tuple[str, ...], dtype: str) -> str:
    """Return the kind of an image that Pillow has no mode for, from its bands and their dtype.

    >>> kind_of_bands(("band_1", "band_2"), "int16"), kind_of_bands(("grey",), "uint16")
    ('band_1,band_2;int16', 'I;16')
    """
    return {"uint8": "L", "uint16": "I;16"}.get(dtype if names == GRAY else "") or (
        f"{','.join(names)};{dtype}"
    )
