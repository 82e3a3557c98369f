"""Tests of the same images in a folder, a list, an archive or in memory."""

import functools
import random
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import evenly
from evenly.moments import Moments
from evenly.sources.files.file_ref import file_kind
from image_files import (
    COLOURS,
    collection,
    encoded,
    noise,
    stacked,
    write_folder,
    write_tar,
    write_zip,
)

FILES = collection()
EXPECTED = Moments.empty(COLOURS).update(stacked(FILES))


def folder(tmp_path):
    return write_folder(FILES, tmp_path)


def listed(tmp_path):
    paths = sorted(path for path in folder(tmp_path).rglob("[!.]*.*") if path.suffix != ".json")
    random.Random(7).shuffle(paths)
    return [path for path in paths if path.suffix != ".cls"]


def patterns(tmp_path):
    write_folder(FILES, tmp_path)
    return [f"{tmp_path}/cat/*[!n]", f"{tmp_path}/**/[!.]*.[pwt]*", f"{tmp_path}/*.[bg]*"]


def as_url(tmp_path):
    return folder(tmp_path).as_uri()


def tar(suffix, tmp_path):
    return write_tar(FILES, tmp_path / f"x{suffix}")


def several(tmp_path):
    """Write a folder with two archives and a file, like a sharded dataset."""
    names = list(FILES)
    write_tar({name: FILES[name] for name in names[:3]}, tmp_path / "0.tar")
    write_zip({name: FILES[name] for name in names[3:6]}, tmp_path / "1.zip")
    return write_folder({name: FILES[name] for name in names[6:]}, tmp_path)


FORMS = {
    "folder": folder,
    "list": listed,
    "patterns": patterns,
    "URL": as_url,
    "zip": lambda path: write_zip(FILES, path / "x.zip"),
    "stored zip": lambda path: write_zip(FILES, path / "x.zip", zipfile.ZIP_STORED),
    **{
        suffix: functools.partial(
            lambda suffix, path: write_tar(FILES, path / f"x{suffix}"), suffix
        )
        for suffix in (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
    },
    "several": several,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("threads", [1, 3])
def test_images_from_any_source_have_same_moments(form, threads, tmp_path):
    moments = evenly.fit(FORMS[form](tmp_path), threads=threads)
    assert moments == EXPECTED
    assert moments.rows == EXPECTED.rows
    assert moments.columns == COLOURS
    assert moments.dtypes == ("uint8",) * 3
    assert np.array_equal(moments.min, EXPECTED.min)
    assert np.array_equal(moments.max, EXPECTED.max)


@pytest.mark.parametrize("form", ["folder", "list", "zip", ".tar", ".tar.gz"])
def test_image_progress(form, tmp_path):
    seen = []
    evenly.fit(FORMS[form](tmp_path), progress=seen.append)
    total = sum(
        map(len, (content for name, content in FILES.items() if file_kind(name) == "image"))
    )
    assert seen[-1].rows == EXPECTED.rows
    assert 0 < seen[-1].bytes <= seen[-1].total_bytes
    if form in ("folder", "list"):
        hidden = len(FILES["cat/._0.jpg"])
        assert seen[-1].bytes == seen[-1].total_bytes == total - hidden


def test_batches_of_image_paths(tmp_path):
    paths = listed(tmp_path)
    assert evenly.fit([paths[:4], paths[4:]]) == EXPECTED


def test_merged_image_subsets_equal_whole(tmp_path):
    folder(tmp_path)
    parts = [evenly.fit(tmp_path / name) for name in ("cat", "dog", "3.bmp", "4.gif")]
    assert sum(parts) == EXPECTED


def test_image_mean_weights_pixels_equally(tmp_path):
    """The mean of 300 black and 100 white pixels is a quarter."""
    Image.new("RGB", (30, 10)).save(tmp_path / "black.png")
    Image.new("RGB", (10, 10), "white").save(tmp_path / "white.png")
    assert evenly.fit(tmp_path).mean.tolist() == [63.75] * 3


def test_error_names_archive_and_member(tmp_path):
    path = write_tar({"a.jpg": b"no image"} | FILES, tmp_path / "x.tar.gz")
    with pytest.raises(evenly.SourceError, match=r"x\.tar\.gz/a\.jpg: it is not an image"):
        evenly.fit(path, broken="error")


def test_underscore_images_are_read_and_hidden_images_skipped(tmp_path):
    """Cameras write _DSC0001.JPG, and macOS adds ._DSC0001.JPG."""
    image = encoded(noise(1, 4, 4, 3), "PNG")
    files = {"_DSC1.png": image, ".x.png": b"", "__MACOSX/y.png": b"", ".cache/z.png": b""}
    assert evenly.fit(write_folder(files, tmp_path / "f"), broken="error").rows == 16
    assert evenly.fit(write_zip(files, tmp_path / "x.zip"), broken="error").rows == 16


def test_select_color_columns(tmp_path):
    assert evenly.fit(folder(tmp_path), columns=["blue", "red"]) == EXPECTED["blue", "red"]
    assert evenly.fit(tmp_path, exclude="green") == EXPECTED["red", "blue"]
    with pytest.raises(evenly.ColumnError, match="Did you mean 'green'"):
        evenly.fit(tmp_path, columns="gren")


# Images in memory

IMAGES = [Image.fromarray(noise(seed, 6 + seed, 5, 3)) for seed in range(4)]
IN_MEMORY = Moments.empty(COLOURS).update(
    np.concatenate([np.asarray(image).reshape(-1, 3) for image in IMAGES])
)


class Labelled(torch.utils.data.Dataset):
    """A dataset like torchvision's ImageFolder without a transform."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        return IMAGES[index], index


@pytest.mark.parametrize(
    "source",
    [
        lambda: IMAGES,
        lambda: tuple(IMAGES),
        lambda: iter(IMAGES),
        lambda: ((image, label) for label, image in enumerate(IMAGES)),
        lambda: [IMAGES[:3], IMAGES[3:]],
        Labelled,
    ],
)
def test_pillow_images(source):
    assert evenly.fit(source()) == IN_MEMORY


def test_single_pillow_image_and_selected_part():
    assert evenly.fit(IMAGES[0]) == Moments.empty(COLOURS).update(
        np.asarray(IMAGES[0]), feature_axis=-1
    )
    batches = [{"image": image, "label": 1} for image in IMAGES]
    assert evenly.fit(batches, select="image") == IN_MEMORY


def test_moments_are_updated_by_images(tmp_path):
    assert Moments.empty(COLOURS).update(IMAGES) == IN_MEMORY
    assert Moments.empty().update(folder(tmp_path)) == EXPECTED


def test_fit_does_not_change_pillow_image():
    image = Image.fromarray(noise(0, 4, 4)).convert("P")
    image.info["transparency"] = bytes(range(256))
    evenly.fit([image])
    assert image.mode == "P"
    assert "transparency" in image.info
