"""Tests of JPEG decoding with simplejpeg: the same pixels as Pillow, or Pillow decides."""

import io
import random
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

import evenly
from evenly.sources.images.decode import decode_into, fast_header, jpeg_decoder
from evenly.sources.images.pixels import Pixels
from image_files import encoded

SIMPLEJPEG = jpeg_decoder()
pytestmark = pytest.mark.skipif(SIMPLEJPEG is None, reason="simplejpeg has no wheel here")

LIMIT = 10**6


def shrunk(mode, width, height):
    photo = Image.fromarray(data.astronaut()).resize((96, 80))
    return photo.resize((width, height)).convert(mode)


def samples(mode, seed):
    """Yield JPEG files with all encodings of a mode and odd sizes."""
    rng = np.random.default_rng(seed)
    for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
        for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}):
            for quality in (5, 75, 100):
                width, height = (int(length) for length in rng.integers(1, 97, 2))
                image = shrunk(mode, width, height)
                yield encoded(image, "JPEG", quality=quality, subsampling=sampling, **options)
    if mode == "RGB":
        yield encoded(image, "JPEG", keep_rgb=True)


def decode_fast(content, mode="RGB", max_pixels=LIMIT):
    header = fast_header(SIMPLEJPEG, content, mode, max_pixels)
    if header is None:
        return None
    memory = np.empty(header.nbytes, np.uint8)
    if not decode_into(SIMPLEJPEG, content, header, memory):
        return None
    return Pixels(header.kind, memory if header.kind == "L" else memory.reshape(-1, 3))


def decode_with_pillow(content):
    image = Image.open(io.BytesIO(content), formats=["JPEG"])
    array = np.asarray(image)
    return image.mode, array.reshape(-1) if array.ndim == 2 else array.reshape(-1, 3)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_pixels_equal_pillow(mode):
    found = [
        (decode_fast(content), decode_with_pillow(content)) for content in samples(mode, seed=1)
    ]
    pairs = [(ours, theirs) for ours, theirs in found if ours is not None]
    assert len(pairs) > len(found) / 2
    for (kind, array), (pillows, pixels) in pairs:
        assert kind == pillows
        np.testing.assert_array_equal(array, pixels)


@pytest.mark.parametrize("seed", range(4))
def test_corrupt_jpeg_pixels_equal_pillow(seed):
    rng = random.Random(seed)
    contents = list(samples("RGB", seed)) + list(samples("L", seed))
    decoded = 0
    for _ in range(500):
        content = damaged(rng.choice(contents), rng)
        ours = decode_fast(content)
        if ours is None:
            continue
        decoded += 1
        kind, pixels = decode_with_pillow(content)
        assert ours.kind == kind
        np.testing.assert_array_equal(ours.array, pixels)
    assert decoded


def damaged(content, rng):
    """Change or insert a few bytes, or truncate the content."""
    raw = bytearray(content)
    for _ in range(rng.choice([1, 1, 3])):
        position, choice = rng.randrange(len(raw)), rng.random()
        if choice < 0.6:
            raw[position] = rng.randrange(256)
        elif choice < 0.8:
            raw[position:position] = rng.randbytes(rng.randrange(8))
        else:
            del raw[max(2, position) :]
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "mode", "max_pixels"),
    [
        (encoded(shrunk("CMYK", 9, 9), "JPEG"), "RGB", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "JPEG"), "L", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "JPEG"), "RGB", 80),
        (encoded(shrunk("RGB", 9, 9), "JPEG")[:-40], "RGB", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "PNG"), "RGB", LIMIT),
        (b"", "RGB", LIMIT),
        (shrunk("RGB", 9, 9), "RGB", LIMIT),
    ],
    ids=["cmyk", "to convert", "too large", "truncated", "not jpeg", "empty", "an image"],
)
def test_unsupported_jpegs_are_decoded_by_pillow(content, mode, max_pixels):
    assert decode_fast(content, mode, max_pixels) is None


def test_load_truncated_images_setting(tmp_path, monkeypatch):
    whole = encoded(shrunk("RGB", 64, 64), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole[:-200])
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    assert evenly.fit(tmp_path).rows == 64 * 64


@pytest.mark.parametrize("mode", ["RGB", "L", "native"])
@pytest.mark.parametrize("threads", [1, 2])
def test_fit_with_and_without_simplejpeg(mode, threads, tmp_path, monkeypatch):
    color, gray = list(samples("RGB", 7)), list(samples("L", 7))
    for number, content in enumerate(color if mode == "native" else color + gray):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    found = evenly.fit(tmp_path, mode=mode, threads=threads)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert jpeg_decoder() is None
    alone = evenly.fit(tmp_path, mode=mode, threads=threads)
    assert found == alone
    assert (found.min.tolist(), found.max.tolist()) == (alone.min.tolist(), alone.max.tolist())
