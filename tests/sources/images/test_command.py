"""Tests of `evenly fit photos/` on the command line."""

import pytest
from PIL import Image

import evenly
from evenly.cli import main
from image_files import collection, encoded, noise, write_folder, write_tar


@pytest.fixture
def photos(tmp_path):
    """Return a folder with two color images, a gray one, a broken one and a label."""
    files = {
        "a.png": encoded(Image.new("RGB", (2, 2), (0, 51, 255)), "PNG"),
        "b.png": encoded(Image.new("RGB", (2, 2), (255, 102, 255)), "PNG"),
        "broken.jpg": b"",
        "a.json": b"{}",
    }
    return write_folder(files, tmp_path / "photos")


TABLE = """\
8 rows, 3 columns
column  count  missing   mean    std  min  max  remarks
red         8        0  127.5  127.5    0  255
green       8        0   76.5   25.5   51  102
blue        8        0  255      0    255  255  constant
0 to 1    transforms.Normalize(mean=[0.5, 0.3, 1.0], std=[0.5, 0.1, 0.0])
0 to 255  transforms.Normalize(mean=[127.5, 76.5, 255.0], std=[127.5, 25.5, 0.0])
"""


def test_normalize_lines_on_stdout_and_notes_on_stderr(photos, capsys):
    assert main(["fit", str(photos)]) == 0
    out, err = capsys.readouterr()
    assert out == TABLE
    assert err == (
        "2 images, one row per pixel\n"
        f"skipped: 1 of 3 images ({photos}/broken.jpg: it is empty)\n"
        "skipped 1 .json file (not an image)\n"
    )


def test_show_saved_image_statistics(photos, tmp_path, capsys):
    output = tmp_path / "photos.json"
    assert main(["fit", str(photos), "-q", "-o", str(output)]) == 0
    assert main(["show", str(output)]) == 0
    assert capsys.readouterr().out == TABLE
    assert evenly.load(output) == evenly.fit(photos)


def test_strict_rejects_broken_image(photos, capsys):
    assert main(["fit", str(photos), "--strict"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"evenly: Every image must be readable. Received: {photos}/broken.jpg: it is empty. Fix "
        "or remove it, or omit --strict to skip, count and name images that cannot be "
        "read.\n"
    )


def test_mode_l_has_one_column(tmp_path, capsys):
    (tmp_path / "grey.png").write_bytes(encoded(Image.new("L", (3, 1), 51), "PNG"))
    assert main(["fit", str(tmp_path)]) == 0
    assert capsys.readouterr().err == (
        "1 image, one row per pixel\n"
        "gray: all images, counted in each column; --mode L makes it one column\n"
    )
    assert main(["fit", str(tmp_path), "--mode", "L"]) == 0
    out, err = capsys.readouterr()
    assert "0 to 1    transforms.Normalize(mean=[0.2], std=[0.0])" in out
    assert err == "1 image, one row per pixel\n"


def test_note_on_gray_images(tmp_path, capsys):
    write_folder({"a.png": encoded(noise(0, 2, 2), "PNG")} | collection(), tmp_path)
    assert main(["fit", str(tmp_path)]) == 0
    assert "gray: 1 of 8 images, counted in each column\n" in capsys.readouterr().err


def test_16bit_images_have_own_scale(tmp_path, capsys):
    (tmp_path / "x.png").write_bytes(encoded(Image.new("I;16", (2, 2), 13107), "PNG"))
    assert main(["fit", str(tmp_path), "--mode", "L"]) == 0
    out = capsys.readouterr().out
    assert "0 to 1      transforms.Normalize(mean=[0.2], std=[0.0])" in out
    assert "0 to 65535  transforms.Normalize(mean=[13107.0], std=[0.0])" in out


def test_fit_archive_and_file_together(photos, tmp_path, capsys):
    shard = write_tar(collection(), tmp_path / "shard-000.tar")
    assert main(["fit", str(shard), str(photos / "a.png")]) == 0
    assert "skipped 1 .cls file, 1 .json file (not images)\n" in capsys.readouterr().err


def test_advice_uses_command_line_options(photos, capsys):
    (photos / "c.png").write_bytes(encoded(noise(0, 2, 2), "PNG"))
    assert main(["fit", str(photos), "--mode", "native"]) == 1
    assert capsys.readouterr().err.endswith("Pass --mode RGB or --mode L.\n")


def test_output_does_not_overwrite_image(photos, capsys):
    assert main(["fit", str(photos), "-o", str(photos / "a.png")]) == 2
    assert "Only a statistics file can be overwritten" in capsys.readouterr().err


def test_dangling_link_is_skipped(photos, capsys):
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    assert main(["fit", str(photos)]) == 0
    out, err = capsys.readouterr()
    assert out == TABLE
    assert "skipped: 2 of 4 images (" in err


@pytest.mark.parametrize(
    ("other", "message"),
    [("missing.jpg", "there is no such file"), ("empty", "A folder must hold data files")],
)
def test_empty_source_among_others_is_rejected(photos, other, message, capsys):
    (photos / "empty").mkdir()
    assert main(["fit", str(photos / "a.png"), str(photos / other)]) == 1
    assert message in capsys.readouterr().err


def test_apply_rejects_images(photos, tmp_path, capsys):
    statistics = tmp_path / "photos.json"
    evenly.fit(photos).save(statistics)
    for source in (photos, photos / "a.png"):
        arguments = ["apply", str(statistics), str(source), "-o", str(tmp_path / "x.npy")]
        assert main(arguments) == 1
        err = capsys.readouterr().err
        assert "Images cannot be rewritten" in err
        assert "transforms.Normalize" in err
