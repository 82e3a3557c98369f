"""Images in formats that are not read are refused by name, with the call that fits them."""

import io
import zipfile

import numpy as np
import PIL.features
import PIL.Image
import pytest

import evenly

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
IMAGE = PIL.Image.fromarray(PIXELS)
ADVICE = "evenly.fit(PIL.Image.open(path) for path in paths)."
FORMATS = {
    ".qoi": ("QOI", b"qoif" + bytes(20)),
    ".tga": ("TGA", bytes(20)),
    ".jp2": ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20)),
    ".j2k": ("JPEG 2000", b"\xffO\xffQ" + bytes(20)),
    ".avif": ("AVIF", b"\0\0\0\x20ftypavif" + bytes(20)),
    ".heic": ("HEIF", b"\0\0\0\x20ftypheic" + bytes(20)),
    ".jxl": ("JPEG XL", b"\xff\n" + bytes(20)),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_a_folder_and_an_archive_name_the_format(suffix, tmp_path):
    name, content = FORMATS[suffix]
    path = tmp_path / "images" / f"x{suffix.upper()}"
    path.parent.mkdir()
    path.write_bytes(content)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(path, path.name)
    for source, found in (
        (path, name),
        (path.parent, f"a folder of {path.name!r}"),
        (tmp_path / "x.zip", f"an archive of {path.name!r}"),
    ):
        with pytest.raises(evenly.SourceError, match="must be JPEG, PNG, WebP, TIFF") as refused:
            evenly.fit(source)
        message = str(refused.value)
        assert f"which is {found}. Decode it first" in message
        assert message.endswith(ADVICE)


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != ".tga"])
def test_the_format_of_a_file_with_another_suffix_is_named(suffix, tmp_path, caplog):
    name, content = FORMATS[suffix]
    IMAGE.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(content)
    assert evenly.fit(tmp_path) == evenly.fit(tmp_path / "a.png")
    assert f"it is {name}, which is not read: pass it as a Pillow image" in caplog.text


def test_images_that_are_skipped_are_not_called_other_files(tmp_path, caplog):
    IMAGE.save(tmp_path / "a.png")
    for name in ("b.avif", "c.avif", "d.json"):
        (tmp_path / name).write_bytes(b"?")
    moments = evenly.fit(tmp_path)
    assert moments.rows == 72
    assert "2 .avif files (formats that are not read; pass Pillow images)" in caplog.text


@pytest.mark.parametrize("kind", ["TGA", "JPEG2000", "QOI"])
def test_the_advice_works(kind):
    if kind == "JPEG2000" and not PIL.features.check("jpg_2000"):
        pytest.skip("Pillow was built without OpenJPEG")
    file = io.BytesIO()
    options = {"irreversible": False} if kind == "JPEG2000" else {}
    IMAGE.save(file, format=kind, **options)
    moments = evenly.fit(PIL.Image.open(file) for file in [file])
    assert moments.mean.tolist() == PIXELS.reshape(-1, 3).mean(0).tolist()
