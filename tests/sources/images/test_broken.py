"""Tests of broken images, which are skipped, counted and named, or are an error."""

import io
import logging
import os
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import evenly
from evenly.moments import Moments
from evenly.sources import ReadOptions, open_source
from image_files import collection, encoded, noise, write_folder, write_tar, write_zip

GOOD = encoded(noise(0, 30, 40, 3), "JPEG")
PIXELS = Moments.empty(["red", "green", "blue"]).update(
    np.asarray(Image.open(io.BytesIO(GOOD))), feature_axis=-1
)


def bomb():
    """Return a PNG file that declares 20,000 x 20,000 pixels."""
    content = bytearray(encoded(noise(0, 2, 2), "PNG"))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = (PngImagePlugin._crc32(bytes(content[12:29]))).to_bytes(4, "big")
    return bytes(content)


BROKEN = {
    "empty.jpg": (b"", "it is empty"),
    "text.png": (b"no pixels here", "it is not an image: it begins with b'no pixel'"),
    "page.jpg": (b"%PDF-1.7 no image", "it is not an image: it begins with b'%PDF-1.7'"),
    "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is not an image"),
    "cut.jpg": (GOOD[: len(GOOD) // 2], "image file is truncated"),
    "cut.png": (encoded(noise(1, 40, 40, 3), "PNG")[:-900], "truncated"),
    "cut.tif": (encoded(noise(1, 40, 40, 3), "TIFF")[:-900], "truncated"),
    "cut.webp": (encoded(noise(1, 40, 40, 3), "WEBP")[:-900], "."),
    "head.gif": (b"GIF89a", "."),
    "bomb.png": (bomb(), r"400000000 pixels\) exceeds limit.*increase PIL.Image.MAX_IMAGE_PIXELS"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("threads", [1, 2])
def test_broken_image_is_skipped_and_named(name, threads, tmp_path, caplog):
    content, reason = BROKEN[name]
    write_folder({name: content, "good.jpg": GOOD}, tmp_path)
    with caplog.at_level(logging.WARNING, "evenly"):
        assert evenly.fit(tmp_path, threads=threads) == PIXELS
    (message,) = caplog.messages
    assert f"skipped: 1 of 2 images ({tmp_path}/{name}: " in message
    with pytest.raises(evenly.SourceError, match=reason):
        evenly.fit(tmp_path, broken="error", threads=threads)


def test_first_broken_images_are_named(tmp_path):
    names = [f"{i:03}.jpg" for i in range(20)]
    source = open_source(write_folder(dict.fromkeys(names, b"x") | {"good.jpg": GOOD}, tmp_path))
    evenly.fit(source)
    (warning,) = source.summary.warnings()
    assert warning.startswith(f"skipped: 20 of 21 images ({tmp_path}/000.jpg: it is not an image")
    assert f"; {tmp_path}/002.jpg: " in warning
    assert warning.endswith("; and 17 more)")


def test_only_broken_images_is_an_error(tmp_path):
    write_folder({"a.jpg": b"", "b.jpg": b""}, tmp_path)
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(tmp_path)
    assert str(caught.value) == (
        f"At least one image must be readable. Received: {tmp_path}, whose 2 images are not: "
        f"{tmp_path}/a.jpg: it is empty; {tmp_path}/b.jpg: it is empty."
    )


def test_dangling_link_is_skipped(tmp_path, caplog):
    write_folder({"good.jpg": GOOD}, tmp_path)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert evenly.fit(tmp_path) == PIXELS
    assert "gone.jpg: No such file or directory" in caplog.text


def test_corrupt_zip_member_is_skipped(tmp_path, caplog):
    path = write_zip({"bad.jpg": GOOD[::-1], "good.jpg": GOOD}, tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    assert evenly.fit(path) == PIXELS
    assert "x.zip/bad.jpg: " in caplog.text


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("share", [0.33, 0.77])
def test_truncated_archive_is_an_error(suffix, share, tmp_path):
    """The number of missing images is unknown."""
    write = write_zip if suffix == ".zip" else write_tar
    path = write({f"{i}.jpg": GOOD for i in range(9)}, tmp_path / f"x{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(evenly.SourceError, match="A file must be complete"):
        evenly.fit(path)


def test_tar_truncated_within_header_is_an_error(tmp_path):
    path = write_tar({"0.jpg": GOOD, "1.jpg": GOOD}, tmp_path / "x.tar")
    with tarfile.open(path) as archive:
        offset = archive.getmember("1.jpg").offset
    path.write_bytes(path.read_bytes()[: offset + 100])
    with pytest.raises(evenly.SourceError, match="it ends within a header"):
        evenly.fit(path)


def test_invalid_tar_archive_is_an_error(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(evenly.SourceError, match="A file must be complete and valid"):
        evenly.fit(tmp_path / "x.tar")


def test_archive_without_images_is_an_error(tmp_path):
    path = write_tar({"a.json": b"{}", "b.json": b"{}", "README": b""}, tmp_path / "x.tar")
    with pytest.raises(evenly.DataError) as caught:
        evenly.fit(path)
    assert str(caught.value) == (
        f"At least one image is needed. Received: {path}, with none "
        "(skipped 2 .json files, 1 file without a suffix (not images))."
    )


def test_zip_archive_of_tables(tmp_path):
    path = write_zip({"a.csv": b"x\n1\n3\n"}, tmp_path / "x.zip")
    assert evenly.fit(path).mean.tolist() == [2.0]


@pytest.mark.parametrize("table", ["labels.csv", "deep/x.parquet"])
def test_folder_of_images_and_tables_is_rejected(table, tmp_path):
    write_folder({"cat/0.jpg": GOOD, table: b"x\n1\n"}, tmp_path)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(tmp_path)
    folder, suffix = (tmp_path / table).parent, table.rpartition(".")[2]
    assert str(caught.value) == (
        "A fit reads either images or tables, not both. Received: 1 images or archives such as "
        f"'{tmp_path}/cat/0.jpg', and 1 tables such as '{tmp_path}/{table}'. Choose with a "
        f"pattern, such as '{tmp_path}/cat/*.jpg' or '{folder}/*.{suffix}'."
    )


def test_decompression_bomb_warning(tmp_path, monkeypatch):
    """Pillow warns beyond half its limit; if warnings are errors, the image is skipped."""
    write_folder({"good.jpg": GOOD}, tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    with pytest.warns(Image.DecompressionBombWarning):
        assert evenly.fit(tmp_path, threads=1) == PIXELS
    with pytest.raises(evenly.DataError, match=r"1200 pixels\) exceeds limit of 1000"):
        evenly.fit(tmp_path, threads=1)


def test_warning_of_multi_frame_images(tmp_path):
    frames = [Image.fromarray(noise(i, 8, 8, 3)) for i in range(3)]
    more = {"save_all": True, "append_images": frames[1:]}
    for form, options in {"TIFF": {}, "PNG": {}, "WEBP": {"lossless": True}}.items():
        (tmp_path / f"x.{form.lower()}").write_bytes(encoded(frames[0], form, **more, **options))
    (tmp_path / "x.gif").write_bytes(encoded(frames[0], "GIF", **more))
    (tmp_path / "one.gif").write_bytes(encoded(frames[0], "GIF"))
    source = open_source(tmp_path, ReadOptions(broken="error"))
    moments = evenly.fit(source)
    assert source.summary.warnings() == ["first frame or page only: 4 images"]
    assert moments.rows == 5 * 64
    assert evenly.fit(tmp_path / "x.tiff") == evenly.fit(frames[:1])


@pytest.mark.parametrize("installed", [True, False])
def test_warning_of_truncated_color_depth(tmp_path, monkeypatch, installed):
    if not installed:
        monkeypatch.setitem(sys.modules, "tifffile", None)
    content = bytearray(encoded(noise(0, 4, 4, 3), "TIFF"))
    bits = content.index((8).to_bytes(2, "little") * 3)
    content[bits : bits + 6] = (16).to_bytes(2, "little") * 3
    (tmp_path / "deep.tif").write_bytes(bytes(content) + bytes(200))
    source = open_source(tmp_path, ReadOptions(broken="error"))
    evenly.fit(source)
    hint = "pip install 'evenly[tiff]' to read all bits of TIFF files"
    warning = "only the upper 8 of 16 bits per channel, as Pillow reads them: 1 image"
    assert source.summary.warnings() == ([] if installed else [f"{warning}; {hint}"])


def test_warning_of_mixed_bit_depths(tmp_path):
    Image.fromarray(noise(0, 3, 3, dtype=np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(noise(0, 3, 3)).save(tmp_path / "b.png")
    source = open_source(tmp_path)
    evenly.fit(source)
    (warning,) = source.summary.warnings()
    assert warning.startswith("scale 0 to 65535: 1 image of 16 bits among 2 images; ")


def test_broken_images_in_batches_are_named(tmp_path, caplog):
    write_folder({"a.jpg": b"", "good.jpg": GOOD}, tmp_path)
    assert evenly.fit(path for path in sorted(tmp_path.iterdir())) == PIXELS
    assert "a.jpg: skipped: 1 of 1 image (" in caplog.text


def test_empty_pillow_image_is_skipped(caplog):
    images = [Image.new("RGB", (0, 5)), Image.open(io.BytesIO(GOOD))]
    assert evenly.fit(images) == PIXELS
    assert "image 0: it has no pixels" in caplog.text


def test_missing_pillow_names_extra(tmp_path, monkeypatch):
    write_folder({"good.jpg": GOOD}, tmp_path)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(evenly.MissingExtraError) as caught:
        evenly.fit(tmp_path)
    assert str(caught.value) == (
        "Reading images needs the package PIL. It is not installed. "
        'Run: pip install "evenly[images]"'
    )


def test_unknown_broken_option_is_rejected(tmp_path):
    with pytest.raises(evenly.DataError, match="broken must be 'skip' or 'error'"):
        evenly.fit(tmp_path, broken="raise")


def test_images_reject_select(tmp_path):
    write_folder(collection(), tmp_path)
    with pytest.raises(evenly.DataError, match="select= chooses a part of batches"):
        evenly.fit(tmp_path, select="x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_an_error(tmp_path):
    write_folder({"good.jpg": GOOD, "shut/x.jpg": GOOD}, tmp_path)
    (tmp_path / "shut").chmod(0)
    with pytest.raises(evenly.SourceError, match="A folder must be readable"):
        evenly.fit(tmp_path)
    (tmp_path / "shut").chmod(0o700)


def test_encrypted_zip_member_is_skipped(tmp_path, caplog):
    path = write_zip({"a.jpg": GOOD, "b.jpg": GOOD}, tmp_path / "x.zip", zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[6] |= 1  # in the header of the first member, and in the central directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert evenly.fit(path) == PIXELS
    assert "x.zip/a.jpg: " in caplog.text
    assert "is encrypted" in caplog.text
