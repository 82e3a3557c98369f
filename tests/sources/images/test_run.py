"""Tests of images that are decoded into one buffer and summed together."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import evenly
from evenly.sources import open_source
from evenly.sources.images.batch_buffer import _MAX_BATCH_BYTES, BatchBuilder, ThreadBuffer
from evenly.sources.images.decode import jpeg_decoder
from evenly.sources.images.image_file import ImageFile
from evenly.sources.scan import FileScan
from image_files import encoded
from small_blocks import use_block_sizes

PHOTO = Image.fromarray(data.astronaut())


def image_file(label):
    return ImageFile(label, bytes)


def jpeg(side, mode="RGB"):
    return encoded(PHOTO.resize((side, side)).convert(mode), "JPEG")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("broken", [False, True])
def test_batched_images_of_mixed_modes_and_sizes(threads, broken, tmp_path, monkeypatch):
    damaged = jpeg(200)[:-3000]
    contents = [
        jpeg(200), jpeg(200), jpeg(64, "L"), jpeg(200), damaged, jpeg(7), jpeg(900), jpeg(511),
        jpeg(1), encoded(PHOTO, "PNG"), jpeg(64, "L"), jpeg(64, "L"), jpeg(300, "CMYK"), jpeg(512),
        *[jpeg(100)] * 40,
    ]  # fmt: skip
    for number, content in enumerate(contents):
        if broken or content is not damaged:
            (tmp_path / f"{number:02}.jpg").write_bytes(content)
    found = evenly.fit(tmp_path, threads=threads)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert jpeg_decoder() is None
    alone = evenly.fit(tmp_path, threads=threads)
    assert found == alone
    assert found.rows == alone.rows
    assert (found.min.tolist(), found.max.tolist()) == (alone.min.tolist(), alone.max.tolist())


@pytest.mark.parametrize("together", [1, 5_000])
def test_read_size_does_not_change_result(together, tmp_path, monkeypatch):
    for number, side in enumerate([200, 7, 300, 64, 64, 1, 900] * 5):
        (tmp_path / f"{number:02}.jpg").write_bytes(jpeg(side, "L" if number % 4 == 3 else "RGB"))
    (tmp_path / "cut.jpg").write_bytes(jpeg(200)[:-3000])
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    expected = evenly.fit(tmp_path, threads=2)
    assert expected.rows == 5 * (200**2 + 7**2 + 300**2 + 2 * 64**2 + 1 + 900**2)
    use_block_sizes(monkeypatch, image_bytes=together)
    assert evenly.fit(tmp_path, threads=2) == expected


def test_task_sizes(tmp_path, monkeypatch):
    large, small = jpeg(512), jpeg(64)
    use_block_sizes(monkeypatch, image_bytes=len(large))
    names = [str(tmp_path / f"{number:02}.jpg") for number in range(36)]
    for number, name in enumerate(names):
        Path(name).write_bytes(large if number < 3 else small)
    tasks = open_source(names).tasks()
    rows = [sum(block.rows for block in task.blocks) for task in tasks]  # by one thread
    assert rows == [*[512**2] * 3, *[n * 64**2 for n in (1, 16, 16)]]


def test_scan_of_more_files_than_cached(tmp_path, monkeypatch):
    for number in range(7):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number + 1))
    (tmp_path / "notes.txt").write_text("no image")
    expected = evenly.fit(tmp_path)
    for limit in (3, 7, 8):
        monkeypatch.setattr("evenly.sources.scan._MAX_CACHED", limit)
        scan = FileScan([tmp_path])
        assert scan.files == len(list(scan.image_files())) == len(list(scan.images())) == 7
        assert scan.skipped == {".txt": 2}
        assert evenly.fit(tmp_path) == expected


@pytest.mark.parametrize("nbytes", [1, _MAX_BATCH_BYTES, 10 * _MAX_BATCH_BYTES])
def test_buffer_alignment(nbytes):
    buffer = ThreadBuffer()
    for more in (0, 1, 1000):
        memory = buffer.get(nbytes + more)
        assert len(memory) >= nbytes + more
        assert memory.ctypes.data % 64 == 16


def test_first_broken_image_is_named(tmp_path):
    (tmp_path / "whole.jpg").write_bytes(jpeg(64))
    (tmp_path / "cut.jpg").write_bytes(jpeg(200)[:-3000])
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    names = [str(tmp_path / f"{name}.jpg") for name in ("whole", "cut", "gone")]
    with pytest.raises(evenly.errors.SourceError, match=r"cut\.jpg"):
        evenly.fit(names, broken="error", threads=1)
    with pytest.raises(evenly.errors.SourceError, match=r"gone\.jpg"):
        evenly.fit([names[0], names[2], names[1]], broken="error", threads=1)


def test_progress_of_batched_images(tmp_path):
    sizes = [200] * 7 + [900] + [64] * 30
    for number, side in enumerate(sizes):
        (tmp_path / f"{number:02}.jpg").write_bytes(jpeg(side))
    seen = []
    evenly.fit(tmp_path, progress=seen.append)
    assert seen[-1].rows == sum(side**2 for side in sizes)
    assert seen[-1].bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_batch_builder_fills_buffer():
    builder = BatchBuilder(ThreadBuffer())
    third = _MAX_BATCH_BYTES // 3 // 3 * 3
    for value in range(3):
        assert not value or builder.memory("L", third, image_file("x")) is None
        builder.memory("RGB", third, image_file("x"))[:] = value
        builder.add("RGB", third, image_file(f"image {value}"), 10)
    assert builder.memory("RGB", third, image_file("x")) is None
    assert builder.image_files == [(image_file(f"image {value}"), third // 3) for value in range(3)]
    batch = builder.flush()
    assert not builder.image_files
    assert (batch.kind, batch.label, batch.nbytes) == ("RGB", "image 0", 30)
    np.testing.assert_array_equal(batch.data, np.repeat(range(3), third // 3)[:, None] * [1, 1, 1])
    assert len(builder.memory("L", 10 * _MAX_BATCH_BYTES, image_file("x"))) == 10 * _MAX_BATCH_BYTES
    assert not builder.image_files


def test_batch_builder_drops_failed_image():
    builder = BatchBuilder(ThreadBuffer())
    builder.memory("L", 4, image_file("x"))[:] = 1
    builder.add("L", 4, image_file("whole"), 1)
    builder.memory("L", 4, image_file("x"))[:] = 9  # as if decoding failed here
    builder.memory("L", 2, image_file("x"))[:] = 2
    builder.add("L", 2, image_file("next"), 1)
    batch = builder.flush()
    assert batch.data.tolist() == [1, 1, 1, 1, 2, 2]
