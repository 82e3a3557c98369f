"""Datasets and loaders of WebDataset: their stages say whether items are samples or batches."""

import gc
import io
import tarfile
import warnings

import numpy as np
import pytest
import webdataset
from torch.utils.data import DataLoader

import evenly

X = np.random.default_rng(0).normal(3, 2, (10, 4))
IMAGES = np.random.default_rng(1).normal(size=(6, 3, 8, 8))


def write_shard(path, arrays):
    with tarfile.open(path, "w") as archive:
        for index, array in enumerate(arrays):
            content = io.BytesIO()
            np.save(content, array)
            member = tarfile.TarInfo(f"{index:04}.x.npy")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)


@pytest.fixture(autouse=True)
def collect_files():
    """Close the files that WebDataset leaves to the garbage collector, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder / "rows.tar", X)
    write_shard(folder / "images.tar", IMAGES)
    return folder


def samples(shards, name="rows"):
    """Return a dataset of arrays, one of each sample."""
    url = str(shards / f"{name}.tar")
    return webdataset.WebDataset(url, shardshuffle=False).decode().map(lambda x: x["x.npy"])


def stacked(batch):
    return np.stack(batch)


def pairs(rows):
    """Return a dataset of pairs, which can be split again."""
    return rows.map(lambda x: (x, 0))


def first(pair):
    return pair[0]


SOURCES = {
    "samples": lambda rows: rows,
    "batches": lambda rows: rows.batched(4, collation_fn=stacked),
    "batches of one size": lambda rows: rows.batched(5, collation_fn=stacked),
    "changed batches": lambda rows: rows.batched(4, collation_fn=stacked).map(lambda x: x + 0),
    "split batches": lambda rows: pairs(rows).batched(4).unbatched().map(first),
    "loader of batches": lambda rows: webdataset.WebLoader(
        rows.batched(4, collation_fn=stacked), batch_size=None
    ),
    "loader of samples": lambda rows: webdataset.WebLoader(rows, batch_size=None),
    "loader with a batch size": lambda rows: webdataset.WebLoader(rows, batch_size=4),
    "loader with other batches": lambda rows: (
        webdataset.WebLoader(pairs(rows).batched(4), batch_size=None)
        .unbatched()
        .map(first)
        .batched(3, collation_fn=stacked)
    ),
    "loader of PyTorch, of batches": lambda rows: DataLoader(
        rows.batched(4, collation_fn=stacked), batch_size=None
    ),
    "loader of PyTorch, of samples": lambda rows: DataLoader(rows, batch_size=None),
}


@pytest.mark.parametrize("name", SOURCES)
def test_rows_are_those_of_the_samples(name, shards):
    assert evenly.fit(SOURCES[name](samples(shards))) == evenly.fit(X)


def test_batches_of_images_have_the_axis_of_their_channels(shards):
    # Taken for samples, they had one column per image: axis 1 counts from a batch of batches.
    batches = samples(shards, "images").batched(3, collation_fn=stacked)
    assert evenly.fit(batches, feature_axis=1) == evenly.fit(IMAGES, feature_axis=1)


def test_rows_that_a_loader_drops_are_logged(shards, caplog):
    evenly.fit(webdataset.WebLoader(samples(shards), batch_size=4, drop_last=True))
    assert "drop_last=True drops the last rows" in caplog.text


def test_part_of_decoded_samples_is_selected(shards):
    rows = webdataset.WebDataset(str(shards / "rows.tar"), shardshuffle=False).decode()
    assert evenly.fit(rows, select="x.npy") == evenly.fit(X)
