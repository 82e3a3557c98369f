"""Datasets and loaders of WebDataset: their stages say whether items are samples or batches.

A package with the classes of WebDataset that matter stands in for it.
"""

import sys
import types
from itertools import islice

import numpy as np
import pytest
from torch.utils.data import DataLoader, IterableDataset

import evenly

X = np.random.default_rng(0).normal(3, 2, (10, 4))
IMAGES = np.random.default_rng(1).normal(size=(6, 3, 8, 8))


class Stage:
    """A stage of a pipeline, which has the function that it calls, and its options."""

    def __init__(self, f, *options):
        self.f, self.options = f, options

    def __call__(self, items):
        return self.f(items, *self.options)


def _batched(items, size):
    items = iter(items)
    while batch := list(islice(items, size)):
        yield np.stack(batch)


def _unbatched(items):
    for batch in items:
        yield from batch


def _map(items, function):
    return map(function, items)


class DataPipeline(IterableDataset):
    """Items that pass through stages."""

    def __init__(self, *pipeline):
        self.pipeline = list(pipeline)

    def __iter__(self):
        items = iter(self.pipeline[0])
        for stage in self.pipeline[1:]:
            items = stage(items)
        return iter(items)


@pytest.fixture(autouse=True)
def package(monkeypatch):
    module = types.ModuleType("webdataset")
    module.DataPipeline = DataPipeline
    monkeypatch.setitem(sys.modules, "webdataset", module)


SAMPLES = DataPipeline(X)
BATCHES = DataPipeline(X, Stage(_batched, 4))
SOURCES = {
    "samples": SAMPLES,
    "batches": BATCHES,
    "batches of one size": DataPipeline(X, Stage(_batched, 5)),
    "changed batches": DataPipeline(X, Stage(_batched, 4), Stage(_map, lambda x: x + 0)),
    "split batches": DataPipeline(X, Stage(_batched, 4), Stage(_unbatched)),
    "loader of batches": DataPipeline(DataLoader(BATCHES, batch_size=None)),
    "loader of samples": DataPipeline(DataLoader(SAMPLES, batch_size=None)),
    "loader with a batch size": DataPipeline(DataLoader(SAMPLES, batch_size=4)),
    "loader with other batches": DataPipeline(
        DataLoader(BATCHES, batch_size=None), Stage(_unbatched), Stage(_batched, 3)
    ),
    "loader of PyTorch, of batches": DataLoader(BATCHES, batch_size=None),
    "loader of PyTorch, of samples": DataLoader(SAMPLES, batch_size=None),
}


@pytest.mark.parametrize("name", SOURCES)
def test_rows_are_those_of_the_samples(name):
    assert evenly.fit(SOURCES[name]) == evenly.fit(X)


def test_batches_of_images_have_the_axis_of_their_channels():
    # Taken for samples, they had one column per image: axis 1 counts from a batch of batches.
    pipeline = DataPipeline(IMAGES, Stage(_batched, 3))
    assert evenly.fit(pipeline, feature_axis=1) == evenly.fit(IMAGES, feature_axis=1)


def test_rows_that_a_loader_drops_are_logged(caplog):
    evenly.fit(DataPipeline(DataLoader(SAMPLES, batch_size=4, drop_last=True)))
    assert "drop_last=True drops the last rows" in caplog.text
