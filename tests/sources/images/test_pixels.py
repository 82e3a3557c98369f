"""Tests of pixel values of all image modes, compared with NumPy and Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

import evenly
from evenly.moments import Moments
from image_files import COLOURS, decoded, encoded, noise, write_folder

GRAY = noise(10, 9, 11)
DEEP = noise(11, 6, 5, dtype=np.uint16)
COLOR = noise(12, 8, 8, 3)
CLEAR = noise(13, 8, 8, 4)


def files():
    """Return a file of each mode, and its pixels as RGB."""
    palette = Image.fromarray(COLOR).quantize(16)
    gray_and_alpha = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(GRAY[::-1])])
    cmyk = Image.fromarray(CLEAR, "CMYK")
    bits = Image.fromarray(GRAY > 100)
    clear_palette = io.BytesIO()
    palette.save(clear_palette, "PNG", transparency=bytes(range(16)))
    return {
        "grey.png": (encoded(GRAY, "PNG"), GRAY),
        "grey.jpg": (encoded(GRAY, "JPEG"), None),
        "grey-alpha.png": (encoded(gray_and_alpha, "PNG"), GRAY),
        "alpha.png": (encoded(CLEAR, "PNG"), CLEAR[..., :3]),
        "alpha.webp": (encoded(CLEAR, "WEBP", lossless=True, exact=True), CLEAR[..., :3]),
        "palette.png": (encoded(palette, "PNG"), np.asarray(palette.convert("RGB"))),
        "palette.gif": (encoded(palette, "GIF"), None),
        "clear-palette.png": (clear_palette.getvalue(), np.asarray(palette.convert("RGB"))),
        "bits.png": (encoded(bits, "PNG"), (GRAY > 100) * np.uint8(255)),
        "cmyk.tif": (encoded(cmyk, "TIFF"), np.asarray(cmyk.convert("RGB"))),
        "cmyk.jpg": (encoded(cmyk, "JPEG"), None),
        "ycbcr.tif": (encoded(Image.fromarray(COLOR, "YCbCr"), "TIFF"), None),
        "lab.tif": (encoded(Image.fromarray(COLOR, "LAB"), "TIFF"), None),
        "turned.jpg": (encoded(COLOR, "JPEG", exif=_turned()), None),
        "deep.png": (encoded(DEEP, "PNG"), DEEP),
        "deep.tif": (encoded(Image.fromarray(DEEP), "TIFF"), DEEP),
        "deep-big.tif": (encoded(Image.fromarray(DEEP.astype(">u2")), "TIFF"), DEEP),
        "deep.pgm": (encoded(Image.fromarray(DEEP), "PPM"), DEEP),
        "deep.pnm": (encoded(Image.fromarray(DEEP), "PPM"), DEEP),
        "bits.pbm": (encoded(bits, "PPM"), (GRAY > 100) * np.uint8(255)),
        "color.PNM": (encoded(COLOR, "PPM"), COLOR),
        "color.jpe": (encoded(COLOR, "JPEG"), None),
        "color.apng": (encoded(COLOR, "PNG"), COLOR),
    }


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = files()


@pytest.mark.parametrize("name", FILES)
def test_every_mode_as_rgb(name, tmp_path):
    content, pixels = FILES[name]
    (tmp_path / name).write_bytes(content)
    pixels = decoded(content) if pixels is None else pixels
    if pixels.ndim == 2:
        pixels = np.stack([pixels] * 3, -1)
    moments = evenly.fit(tmp_path, broken="error")
    assert moments == Moments.empty(COLOURS).update(pixels, feature_axis=-1)
    assert moments.dtypes == (str(pixels.dtype),) * 3


def test_alpha_is_ignored(tmp_path):
    clear = CLEAR.copy()
    clear[..., 3] = 0
    opaque = CLEAR[..., :3]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert evenly.fit(tmp_path) == evenly.fit([Image.fromarray(opaque)])


@pytest.mark.parametrize("name", [name for name in FILES if "deep" not in name])
def test_every_mode_as_grayscale(name, tmp_path):
    content, pixels = FILES[name]
    (tmp_path / name).write_bytes(content)
    if pixels is None or pixels.ndim == 3:
        colors = (decoded(content) if pixels is None else pixels).astype(np.uint32)
        weighed = colors @ np.array([19595, 38470, 7471], np.uint32)
        pixels = ((weighed + 0x8000) >> 16).astype(np.uint8)
    moments = evenly.fit(tmp_path, mode="L", broken="error")
    if name in ("ycbcr.tif", "grey.jpg"):  # these are gray already
        pixels = np.asarray(Image.open(tmp_path / name).convert("L"))
    assert moments == Moments.empty(["grey"]).update(pixels.reshape(-1, 1))


def test_8bit_and_16bit_images_use_16bit_scale(tmp_path):
    """v / 255 is exactly 257 v / 65535."""
    write_folder({name: FILES[name][0] for name in ("deep.png", "grey.png", "alpha.png")}, tmp_path)
    rows = [
        np.stack([DEEP.reshape(-1)] * 3, -1),
        257 * np.stack([GRAY.reshape(-1)] * 3, -1).astype(np.uint16),
        257 * CLEAR[..., :3].reshape(-1, 3).astype(np.uint16),
    ]
    expected = Moments.empty(COLOURS).update(np.concatenate(rows))
    moments = evenly.fit(tmp_path)
    assert moments == expected
    assert moments.dtypes == ("uint16",) * 3
    assert (moments.min.tolist(), moments.max.tolist()) == (
        expected.min.tolist(),
        expected.max.tolist(),
    )


def test_batches_reject_mixed_bit_depths():
    images = [Image.fromarray(DEEP), Image.fromarray(GRAY)]
    assert evenly.fit(images).dtypes == ("uint16",) * 3
    with pytest.raises(evenly.DataError, match=r"of uint8, after others of uint16\. Pass a list"):
        evenly.fit(iter(images))


NATIVE = {
    "grey.png": (("grey",), GRAY[..., None]),
    "grey-alpha.png": (("grey", "alpha"), np.stack([GRAY, GRAY[::-1]], -1)),
    "alpha.png": ((*COLOURS, "alpha"), CLEAR),
    "cmyk.tif": (("cyan", "magenta", "yellow", "black"), CLEAR),
    "ycbcr.tif": (("luma", "chroma blue", "chroma red"), COLOR),
    "deep.png": (("grey",), DEEP[..., None]),
    "bits.png": (("grey",), FILES["bits.png"][1][..., None]),
}


@pytest.mark.parametrize("name", NATIVE)
def test_native_mode_keeps_bands(name, tmp_path):
    names, pixels = NATIVE[name]
    (tmp_path / name).write_bytes(FILES[name][0])
    assert evenly.fit(tmp_path, mode="native") == Moments.empty(names).update(
        pixels, feature_axis=-1
    )


def test_native_palette_images(tmp_path):
    for name in ("palette.png", "clear-palette.png"):
        (tmp_path / name).write_bytes(FILES[name][0])
    assert evenly.fit(tmp_path / "palette.png", mode="native").columns == COLOURS
    clear = np.asarray(Image.open(tmp_path / "clear-palette.png").convert("RGBA"))
    moments = evenly.fit(tmp_path / "clear-palette.png", mode="native")
    assert moments == Moments.empty([*COLOURS, "alpha"]).update(clear, feature_axis=-1)


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.float32([[0.25, -3e8], [np.nan, 1.0]]), "floats"),
        (np.int32([[-7, 2**30], [0, 1]]), "32-bit integers"),
    ],
)
def test_float_images_need_native_mode(pixels, kind, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "depth.tif")
    expected = Moments.empty(["grey"]).update(pixels[..., None], feature_axis=-1)
    assert evenly.fit(tmp_path, mode="native") == expected
    with pytest.raises(evenly.DataError, match=f"its values are {kind}.*mode='native'"):
        evenly.fit(tmp_path)


def test_16bit_images_reject_float_images(tmp_path):
    """It was a KeyError without advice."""
    Image.fromarray(noise(0, 3, 3, dtype=np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "b.tiff")
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(tmp_path, mode="native")
    assert str(caught.value) == (
        "16-bit images cannot be combined with images of floats or 32-bit integers, which have no "
        f"defined white level. Received: {tmp_path}, with float32 and uint16. Fit them separately."
    )


def test_native_mode_rejects_different_bands(tmp_path):
    write_folder({name: FILES[name][0] for name in ("grey.png", "alpha.png")}, tmp_path)
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(tmp_path, mode="native")
    assert "all images must have the same bands" in str(caught.value)
    assert "grey.png with 'grey'" in str(caught.value)
    assert "alpha.png with 'red', 'green', 'blue', 'alpha'" in str(caught.value)


def test_large_image_stored_in_pieces():
    image = Image.fromarray(noise(3, 1100, 2100, 3)).resize((4400, 2200))
    assert evenly.fit([image]) == Moments.empty(COLOURS).update(np.asarray(image), feature_axis=-1)


def test_pillow_without_arrow_interface(monkeypatch):
    image = Image.fromarray(COLOR)
    monkeypatch.delattr(Image.Image, "__arrow_c_array__")
    assert evenly.fit([image]) == Moments.empty(COLOURS).update(COLOR, feature_axis=-1)


def test_jpeg_is_decoded_in_full_size(tmp_path):
    """Pillow's draft mode is faster but gives different pixels."""
    content = encoded(noise(1, 512, 512, 3), "JPEG")
    (tmp_path / "x.jpg").write_bytes(content)
    assert evenly.fit(tmp_path) == Moments.empty(COLOURS).update(decoded(content), feature_axis=-1)


def test_unknown_mode_is_rejected():
    with pytest.raises(evenly.DataError, match=r"mode must be one of 'RGB', 'L', 'native'"):
        evenly.fit([Image.fromarray(COLOR)], mode="HSV")


def test_images_reject_groups():
    for by in (["a"], "label"):
        with pytest.raises(evenly.DataError, match="Images cannot have groups"):
            evenly.fit([Image.fromarray(COLOR)], by=by)


def test_images_reject_weights():
    for weights in (np.ones(64), "w"):
        with pytest.raises(evenly.DataError, match="Images cannot have weights"):
            evenly.fit([Image.fromarray(COLOR)], weights=weights)
