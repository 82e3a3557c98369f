"""The same images in a folder, a list, an archive or in memory: the same bits."""

import functools
import random
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import evenly
from evenly.moments import Moments
from evenly.sources.images.scan import file_kind
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
    """A folder that has two shards and a file, as data sets are cut up."""
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
def test_every_form_has_the_bits_of_all_pixels_in_one_array(form, threads, tmp_path):
    moments = evenly.fit(FORMS[form](tmp_path), threads=threads)
    assert moments == EXPECTED
    assert moments.rows == EXPECTED.rows
    assert moments.columns == COLOURS
    assert moments.dtypes == ("uint8",) * 3
    assert np.array_equal(moments.min, EXPECTED.min)
    assert np.array_equal(moments.max, EXPECTED.max)


@pytest.mark.parametrize("form", ["folder", "list", "zip", ".tar", ".tar.gz"])
def test_progress_counts_pixels_and_the_bytes_of_files(form, tmp_path):
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


def test_files_that_a_loader_yields_in_batches_are_images(tmp_path):
    paths = listed(tmp_path)
    assert evenly.fit([paths[:4], paths[4:]]) == EXPECTED


def test_a_folder_in_parts_adds_up_to_the_whole(tmp_path):
    folder(tmp_path)
    parts = [evenly.fit(tmp_path / name) for name in ("cat", "dog", "3.bmp", "4.gif")]
    assert sum(parts) == EXPECTED


def test_images_weigh_by_their_pixels(tmp_path):
    """A black one of 300 pixels and a white one of 100: the mean is a quarter."""
    Image.new("RGB", (30, 10)).save(tmp_path / "black.png")
    Image.new("RGB", (10, 10), "white").save(tmp_path / "white.png")
    assert evenly.fit(tmp_path).mean.tolist() == [63.75] * 3


def test_a_compressed_shard_is_named_with_its_member(tmp_path):
    path = write_tar({"a.jpg": b"no image"} | FILES, tmp_path / "x.tar.gz")
    with pytest.raises(evenly.SourceError, match=r"x\.tar\.gz/a\.jpg: it is no image"):
        evenly.fit(path, broken="error")


def test_names_that_begin_with_an_underscore_are_images_and_hidden_ones_are_not(tmp_path):
    """Cameras write _DSC0001.JPG, and macOS ._DSC0001.JPG beside it."""
    image = encoded(noise(1, 4, 4, 3), "PNG")
    files = {"_DSC1.png": image, ".x.png": b"", "__MACOSX/y.png": b"", ".cache/z.png": b""}
    assert evenly.fit(write_folder(files, tmp_path / "f"), broken="error").rows == 16
    assert evenly.fit(write_zip(files, tmp_path / "x.zip"), broken="error").rows == 16


def test_columns_are_chosen_by_name(tmp_path):
    assert evenly.fit(folder(tmp_path), columns=["blue", "red"]) == EXPECTED["blue", "red"]
    assert evenly.fit(tmp_path, exclude="green") == EXPECTED["red", "blue"]
    with pytest.raises(evenly.ColumnError, match="Did you mean 'green'"):
        evenly.fit(tmp_path, columns="gren")


# What is in memory already

IMAGES = [Image.fromarray(noise(seed, 6 + seed, 5, 3)) for seed in range(4)]
IN_MEMORY = Moments.empty(COLOURS).update(
    np.concatenate([np.asarray(image).reshape(-1, 3) for image in IMAGES])
)


class Labelled(torch.utils.data.Dataset):
    """As torchvision's ImageFolder is without a transform."""

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
def test_images_of_pillow_are_fitted_by_the_same_rule(source):
    assert evenly.fit(source()) == IN_MEMORY


def test_one_image_and_a_part_of_a_batch_are_images_too():
    assert evenly.fit(IMAGES[0]) == Moments.empty(COLOURS).update(np.asarray(IMAGES[0]))
    batches = [{"image": image, "label": 1} for image in IMAGES]
    assert evenly.fit(batches, select="image") == IN_MEMORY


def test_moments_are_updated_by_images(tmp_path):
    assert Moments.empty(COLOURS).update(IMAGES) == IN_MEMORY
    assert Moments.empty().update(folder(tmp_path)) == EXPECTED


def test_an_image_is_not_changed_by_being_fitted():
    image = Image.fromarray(noise(0, 4, 4)).convert("P")
    image.info["transparency"] = bytes(range(256))
    evenly.fit([image])
    assert image.mode == "P"
    assert "transparency" in image.info
