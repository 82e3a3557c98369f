"""Tests of TIFF files with many bands, 16 bits per color, and pixels without a value."""

import contextlib
import io
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import evenly
from evenly.sources import ReadOptions, open_source

RANDOM = np.random.default_rng(0)


def deep(*shape, dtype=np.uint16, high=10_000):
    return RANDOM.integers(0, high, shape).astype(dtype)


def tiff(path, array, *, nodata=None, **options):
    """Write a TIFF file and return its path."""
    tags = [] if nodata is None else [(42113, "s", 0, nodata, True)]
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(path / "x.tif", array, extratags=tags, metadata=None, **options)
    return path / "x.tif"


def means(bands):
    """Return the exact means of the bands of an image."""
    return evenly.fit(np.asarray(bands).reshape(-1, bands.shape[-1])).mean.tolist()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_many_bands_are_read_as_stored(tmp_path, dtype, planar):
    bands = deep(4, 5, 6, dtype=dtype, high=200)
    stored = bands if planar == "contig" else np.moveaxis(bands, -1, 0)
    moments = evenly.fit(tiff(tmp_path, stored, planarconfig=planar), mode="native")
    assert moments.columns == tuple(f"band_{number}" for number in range(1, 7))
    assert moments.mean.tolist() == means(bands)
    assert set(moments.dtypes) == {np.dtype(dtype).name}


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_many_bands_have_no_colors(tmp_path, mode):
    path = tiff(tmp_path, deep(4, 5, 6), planarconfig="contig")
    with pytest.raises(
        evenly.DataError, match=r"bands are band_1, band_2.* of uint16.*mode='native' reads them"
    ):
        evenly.fit(path, mode=mode)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
def test_16_bits_per_color(tmp_path, compression):
    colors = deep(16, 16, 3)
    path = tiff(tmp_path, colors, photometric="rgb", compression=compression)
    moments = evenly.fit(path)
    assert moments.columns == ("red", "green", "blue")
    assert moments.mean.tolist() == means(colors)
    assert set(moments.dtypes) == {"uint16"}
    assert evenly.fit(path, columns=["blue"]).mean.tolist() == means(colors)[2:]


def test_16_bits_per_color_as_gray(tmp_path):
    """The formula is that of Pillow, with 16 bits."""
    small = deep(16, 16, 3, dtype=np.uint8, high=256)
    moments = evenly.fit(tiff(tmp_path, small.astype(np.uint16) * 257, photometric="rgb"), mode="L")
    gray = np.asarray(Image.fromarray(small).convert("L")).astype(float)
    assert moments.columns == ("grey",)
    assert abs(moments.mean[0] - gray.mean() * 257) < 200


def test_16_bits_per_color_beside_8_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4, 3), 65535, np.uint16), photometric="rgb")
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    moments = evenly.fit(tmp_path)
    assert moments.mean.tolist() == [65535 / 2] * 3
    assert evenly.unit_scale(moments).mean == [0.5] * 3


@pytest.mark.parametrize(
    ("extra", "names"), [("unassalpha", ["alpha"]), ("unspecified", ["band_4"])]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_band_is_a_column_of_native(tmp_path, extra, names, dtype):
    """Near infrared beside colors is not transparency."""
    colors = deep(4, 4, 4, dtype=dtype, high=200)
    path = tiff(tmp_path, colors, photometric="rgb", extrasamples=[extra])
    moments = evenly.fit(path, mode="native")
    assert moments.columns == ("red", "green", "blue", *names)
    assert moments.mean.tolist() == means(colors)
    assert evenly.fit(path).mean.tolist() == means(colors)[:3]


def test_gray_with_numbers_that_pillow_does_not_have(tmp_path):
    values = RANDOM.normal(size=(5, 5))
    moments = evenly.fit(tiff(tmp_path, values), mode="native")
    assert (moments.columns, moments.mean.tolist()) == (
        ("grey",),
        [evenly.fit(values.reshape(-1)).mean[0]],
    )


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4"])
@pytest.mark.parametrize("text", ["7", "7.0", " 7 "])
def test_nodata_of_gdal_is_missing(tmp_path, dtype, text):
    values = np.arange(16).reshape(4, 4).astype(dtype)
    moments = evenly.fit(tiff(tmp_path, values, nodata=text), mode="native")
    assert (moments.count.tolist(), moments.missing.tolist()) == ([15], [1])
    assert moments.mean.tolist() == [(120 - 7) / 15]


@pytest.mark.parametrize("text", ["-9999", "7.5", "nan", "none", "1e300", "inf"])
def test_nodata_that_no_pixel_has(tmp_path, text):
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    moments = evenly.fit(tiff(tmp_path, values, nodata=text), mode="native")
    assert moments.missing.tolist() == [0]


def test_nodata_is_rounded_to_the_precision_of_the_pixels(tmp_path):
    values = np.array([[1, -3.4028234663852886e38]], np.float32)
    moments = evenly.fit(tiff(tmp_path, values, nodata="-3.40282346638529e+38"), mode="native")
    assert (moments.mean.tolist(), moments.missing.tolist()) == ([1], [1])


@given(st.data())
def test_nodata_applies_to_each_band(tmp_path_factory, data):
    bands = data.draw(st.sampled_from([1, 3, 5]))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 4, (3, 4, bands))
    values = values.astype(data.draw(st.sampled_from(["u1", "u2", "f4"])))
    colors = {"photometric": "rgb"} if bands == 3 else {"planarconfig": "contig"}
    path = tiff(tmp_path_factory.mktemp("x"), values.squeeze(), nodata="2", **colors)
    rows = np.where(values == 2, np.nan, values).reshape(-1, bands)
    found = evenly.fit(path, mode="native")
    assert found.missing.tolist() == np.isnan(rows).sum(0).tolist()
    np.testing.assert_array_equal(found.mean, evenly.fit(rows).mean)


def test_nodata_of_colors_and_of_a_palette(tmp_path):
    colors = np.full((2, 2, 3), 100, np.uint8)
    colors[0, 0] = [9, 100, 100]
    path = tiff(tmp_path, colors, nodata="9", photometric="rgb")
    assert evenly.fit(path).missing.tolist() == [1, 0, 0]
    gray = evenly.fit(path, mode="L")
    assert (gray.mean.tolist(), gray.missing.tolist()) == ([100], [1])
    index = np.array([[0, 1], [1, 1]], np.uint8)
    palette = np.zeros((3, 256), np.uint16)
    palette[:, 1] = 200 * 257
    path = tiff(tmp_path, index, nodata="0", photometric="palette", colormap=palette)
    assert evenly.fit(path).mean.tolist() == [200] * 3
    assert evenly.fit(path).missing.tolist() == [1] * 3


def test_missing_pixels_in_batches(tmp_path):
    """A generator of paths reads one image at a time."""
    colors = np.full((2, 2, 3), 100, np.uint8)
    colors[0, 0] = [9, 100, 100]
    path = tiff(tmp_path, colors, nodata="9", photometric="rgb")
    assert evenly.fit(iter([path])).missing.tolist() == [1, 0, 0]
    assert evenly.fit(iter([path]), columns=["green", "red"]).missing.tolist() == [0, 1]


def test_more_pages_are_reported(tmp_path):
    pages = deep(2, 4, 4, 6)
    source = open_source(tiff(tmp_path, pages, planarconfig="contig"), ReadOptions(mode="native"))
    assert evenly.fit(source).mean.tolist() == means(pages[0])
    assert source.summary.warnings() == ["first frame or page only: 1 image"]


@pytest.mark.parametrize("cut", [10, 200, 900])
def test_truncated_file(tmp_path, cut):
    path = tiff(tmp_path, deep(16, 16, 6), planarconfig="contig")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(evenly.DataError, match="must be readable"):
        evenly.fit(path, mode="native")


@given(st.data())
def test_damaged_files_are_reported(tmp_path_factory, data):
    content = io.BytesIO()
    tifffile.imwrite(content, deep(4, 4, 6), photometric="minisblack", planarconfig="contig")
    damaged = bytearray(content.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("x") / "x.tif"
    path.write_bytes(damaged)
    with contextlib.suppress(evenly.EvenlyError):  # any other exception is a fault
        evenly.fit(path, mode="native")


def test_too_many_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = tiff(tmp_path, deep(16, 16, 6), planarconfig="contig")
    with pytest.raises(evenly.DataError, match=r"256 pixels.*increase PIL.Image.MAX_IMAGE_PIXELS"):
        evenly.fit(path, mode="native")


def test_a_page_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "1000")
    path = tiff(tmp_path, deep(16, 16, 6), planarconfig="contig")
    with pytest.raises(evenly.SourceError, match="a page of a TIFF file, with 3,072"):
        evenly.fit(path, mode="native")


def test_a_missing_package_names_the_command(tmp_path, monkeypatch):
    path = tiff(tmp_path, deep(4, 4, 6), planarconfig="contig")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(evenly.DataError, match=r"needs tifffile: pip install 'evenly\[tiff\]'"):
        evenly.fit(path, mode="native")
