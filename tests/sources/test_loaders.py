"""Which rows a PyTorch DataLoader repeats or drops, as the log says."""

import logging

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

import evenly

X = torch.arange(20.0).reshape(10, 2)
DATA = TensorDataset(X)


class Whole(IterableDataset):
    """A dataset that every worker reads as a whole."""

    def __iter__(self):
        yield from X


class Split(IterableDataset):
    """A dataset whose workers read different rows."""

    def __iter__(self):
        worker = get_worker_info()
        yield from X if worker is None else X[worker.id :: worker.num_workers]


def logged(loader, caplog):
    """Fit a loader; return the moments and what was logged."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="evenly"):
        moments = evenly.fit(loader)
    return moments, caplog.text


def test_workers_that_read_the_whole_dataset(caplog):
    moments, text = logged(DataLoader(Whole(), batch_size=5, num_workers=2), caplog)
    assert moments.rows == 20
    assert "each of the 2 workers reads the whole Whole, so each row counts 2 times" in text
    assert "get_worker_info" in text


@pytest.mark.parametrize(("dataset", "workers"), [(Split(), 2), (Whole(), 0), (Whole(), 1)])
def test_workers_that_read_each_row_once(dataset, workers, caplog):
    moments, text = logged(DataLoader(dataset, batch_size=5, num_workers=workers), caplog)
    assert moments == evenly.fit(X)
    assert text == ""


@pytest.mark.parametrize(
    ("drop_last", "found"),
    [
        (False, "4 of 10 rows on this rank; over all ranks 2 rows count twice or more"),
        (True, "3 of 10 rows on this rank; 1 rows are dropped"),
    ],
)
def test_share_of_a_distributed_sampler(drop_last, found, caplog):
    sampler = DistributedSampler(DATA, num_replicas=3, rank=0, drop_last=drop_last)
    _, text = logged(DataLoader(DATA, batch_size=2, sampler=sampler), caplog)
    assert f"its DistributedSampler yields {found}" in text


def test_drop_last(caplog):
    moments, text = logged(DataLoader(DATA, batch_size=4, drop_last=True), caplog)
    assert moments == evenly.fit(X[:8])
    assert "drop_last=True drops the last 2 rows, which are not fitted" in text
    moments, text = logged(DataLoader(DATA, batch_size=5, drop_last=True), caplog)
    assert (moments, text) == (evenly.fit(X), "")


def test_drop_last_of_a_stream(caplog):
    moments, text = logged(DataLoader(Whole(), batch_size=4, drop_last=True), caplog)
    assert moments.rows == 8
    assert "drop_last=True drops the last rows" in text


def test_sampling_with_replacement(caplog):
    weighted = WeightedRandomSampler(np.ones(10).tolist(), 10)
    for sampler in (weighted, RandomSampler(DATA, replacement=True)):
        _, text = logged(DataLoader(DATA, batch_size=5, sampler=sampler), caplog)
        assert f"its {type(sampler).__name__} draws rows with replacement" in text
    _, text = logged(DataLoader(DATA, batch_size=5, shuffle=True), caplog)
    assert text == ""


@pytest.mark.parametrize("collate", [list, tuple, lambda samples: samples])
def test_samples_that_collate_fn_returns_unchanged_are_those_of_the_dataset(collate):
    for dataset in (X, DATA, TensorDataset(X, torch.arange(10))):
        loader = DataLoader(dataset, batch_size=2, collate_fn=collate)
        assert evenly.fit(loader) == evenly.fit(X)
    dicts = [{"a": {"x": row}} for row in X]
    loader = DataLoader(dicts, batch_size=4, collate_fn=collate)
    assert evenly.fit(loader, select=("a", "x")) == evenly.fit(X)


def ragged(count=5):
    """Return images of different sizes, with their labels."""
    return [(torch.full((3, 2 + size, 4), float(size)), size) for size in range(count)]


EXPECTED = evenly.fit(torch.cat([image.flatten(1) for image, _ in ragged()], 1), feature_axis=0)


def images_of(samples):
    """Return the images of samples as a list."""
    return [image for image, _ in samples]


def transpose(samples):
    """Return images and labels, as for detection."""
    return tuple(zip(*samples, strict=True))


def test_a_list_with_one_array_per_sample_asks_for_select():
    loader = DataLoader(ragged(), batch_size=2, collate_fn=images_of)
    with pytest.raises(evenly.DataError) as refused:
        evenly.fit(loader)
    assert str(refused.value) == (
        "A batch must be one array, or parts that have one row per sample. Received: a list of 2 "
        "arrays from the collate_fn of a DataLoader with batch_size=2. Pass select=() to read all "
        "of them, or select=0 for the first one of each batch."
    )
    assert evenly.fit(loader, select=(), feature_axis=0) == EXPECTED


def test_a_first_part_with_several_parts_asks_for_select(caplog):
    loader = DataLoader(ragged(), batch_size=2, collate_fn=transpose)
    with pytest.raises(evenly.DataError) as refused:
        evenly.fit(loader)
    assert str(refused.value) == (
        "The first part of a batch must be one array, unless select= chooses. Received: batch 0, "
        "whose first part is a tuple of 2 parts. Pass select=0 to read all of them, if they have "
        "the same columns, or select=(0, 0) for the first one."
    )
    assert caplog.text == ""
    assert evenly.fit(loader, select=0, feature_axis=0) == EXPECTED


def test_a_collate_fn_that_makes_parts_is_not_asked():
    def stack(samples):
        return torch.stack([x for (x,) in samples]), torch.zeros(len(samples))

    assert evenly.fit(DataLoader(DATA, batch_size=2, collate_fn=stack)) == evenly.fit(X)
