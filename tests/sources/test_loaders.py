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
