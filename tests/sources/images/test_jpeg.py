"""JPEGs that do not go through Pillow: the same pixels, and Pillow's word on all else."""

import io
import random
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

import evenly
from evenly.sources.images.jpeg import decode_into, decoder, fast_header
from evenly.sources.images.pixels import Pixels
from image_files import encoded

SIMPLEJPEG = decoder()
pytestmark = pytest.mark.skipif(SIMPLEJPEG is None, reason="simplejpeg has no wheel here")

LIMIT = 10**6


def shrunk(mode, width, height):
    photo = Image.fromarray(data.astronaut()).resize((96, 80))
    return photo.resize((width, height)).convert(mode)


def samples(mode, seed):
    """JPEGs of each way to code a mode, of odd sizes."""
    rng = np.random.default_rng(seed)
    for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
        for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}):
            for quality in (5, 75, 100):
                width, height = (int(length) for length in rng.integers(1, 97, 2))
                image = shrunk(mode, width, height)
                yield encoded(image, "JPEG", quality=quality, subsampling=sampling, **options)
    if mode == "RGB":
        yield encoded(image, "JPEG", keep_rgb=True)


def quick(content, mode="RGB", most=LIMIT):
    header = fast_header(SIMPLEJPEG, content, mode, most)
    if header is None:
        return None
    memory = np.empty(header.nbytes, np.uint8)
    if not decode_into(SIMPLEJPEG, content, header, memory):
        return None
    return Pixels(header.kind, memory if header.kind == "L" else memory.reshape(-1, 3))


def by_pillow(content):
    image = Image.open(io.BytesIO(content), formats=["JPEG"])
    array = np.asarray(image)
    return image.mode, array.reshape(-1) if array.ndim == 2 else array.reshape(-1, 3)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_pixels_are_pillows(mode):
    found = [(quick(content), by_pillow(content)) for content in samples(mode, seed=1)]
    taken = [(ours, theirs) for ours, theirs in found if ours is not None]
    assert len(taken) > len(found) / 2
    for (kind, array), (pillows, pixels) in taken:
        assert kind == pillows
        np.testing.assert_array_equal(array, pixels)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_of_damaged_files_has_pillows_pixels(seed):
    rng = random.Random(seed)
    contents = list(samples("RGB", seed)) + list(samples("L", seed))
    taken = 0
    for _ in range(500):
        content = damaged(rng.choice(contents), rng)
        ours = quick(content)
        if ours is None:
            continue
        taken += 1
        kind, pixels = by_pillow(content)
        assert ours.kind == kind
        np.testing.assert_array_equal(ours.array, pixels)
    assert taken


def damaged(content, rng):
    """A few bytes changed, put in, or the rest cut off."""
    raw = bytearray(content)
    for _ in range(rng.choice([1, 1, 3])):
        place, how = rng.randrange(len(raw)), rng.random()
        if how < 0.6:
            raw[place] = rng.randrange(256)
        elif how < 0.8:
            raw[place:place] = rng.randbytes(rng.randrange(8))
        else:
            del raw[max(2, place) :]
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "mode", "most"),
    [
        (encoded(shrunk("CMYK", 9, 9), "JPEG"), "RGB", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "JPEG"), "L", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "JPEG"), "RGB", 80),
        (encoded(shrunk("RGB", 9, 9), "JPEG")[:-40], "RGB", LIMIT),
        (encoded(shrunk("RGB", 9, 9), "PNG"), "RGB", LIMIT),
        (b"", "RGB", LIMIT),
        (shrunk("RGB", 9, 9), "RGB", LIMIT),
    ],
    ids=["cmyk", "to convert", "too large", "truncated", "no jpeg", "empty", "an image"],
)
def test_the_rest_is_left_to_pillow(content, mode, most):
    assert quick(content, mode, most) is None


def test_what_the_user_lets_pillow_forgive_is_forgiven(tmp_path, monkeypatch):
    whole = encoded(shrunk("RGB", 64, 64), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole[:-200])
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    assert evenly.fit(tmp_path).rows == 64 * 64


@pytest.mark.parametrize("mode", ["RGB", "L", "native"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_folder_has_the_bits_that_it_has_without_simplejpeg(mode, threads, tmp_path, monkeypatch):
    colours, greys = list(samples("RGB", 7)), list(samples("L", 7))
    for number, content in enumerate(colours if mode == "native" else colours + greys):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    found = evenly.fit(tmp_path, mode=mode, threads=threads)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert decoder() is None
    alone = evenly.fit(tmp_path, mode=mode, threads=threads)
    assert found == alone
    assert (found.min.tolist(), found.max.tolist()) == (alone.min.tolist(), alone.max.tolist())
