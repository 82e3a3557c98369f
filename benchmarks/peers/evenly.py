"""evenly."""

import os
from pathlib import Path

import numpy as np


def fit(x, threads):
    import evenly

    def work():
        _use(threads)
        return evenly.fit(x)

    return work


def fit_and_read(x, threads):
    """The same with the division: correctly rounded, by Python's integers, column by column."""
    import evenly

    def work():
        _use(threads)
        moments = evenly.fit(x)
        return moments.mean, moments.variance()

    return work


def fit_frame(x, threads):
    """What polars has: the same rows, column by column, through Arrow."""
    import evenly
    from benchmarks.peers.polars import frame

    columns = frame(x)

    def work():
        _use(threads)
        return evenly.fit(columns)

    return work


def fit_images(x, threads):
    import evenly

    def work():
        _use(threads)
        return evenly.fit(x, feature_axis=1)

    return work


def fit_photos(folder, threads):
    import evenly

    def work():
        _use(threads)
        return evenly.fit(folder)

    return work


def fit_groups(x, keys, threads):
    """Of a frame, as polars has it."""
    import polars as pl

    import evenly
    from benchmarks.peers.polars import frame

    columns = frame(x).with_columns(key=pl.Series(keys))

    def work():
        _use(threads)
        return evenly.fit(columns, by="key")

    return work


def normalize(x, out, threads):
    import evenly

    moments = evenly.fit(x)
    return lambda: (_use(threads), moments.normalize(x, out=out))[1]


def fit_parquet(path: Path, threads):
    import evenly

    def work():
        _use(threads)
        return evenly.fit(path)

    return work


def fit_parquet_unchecked(path: Path, threads):
    """The same without validating Arrow data: what the checks cost."""
    from unittest.mock import patch

    fit = fit_parquet(path, threads)

    def work():
        with patch("evenly.sources.arrow_input.checked", lambda x, *_, **__: x):
            return fit()

    return work


def update(batch):
    import evenly

    moments = evenly.Moments.empty(batch.shape[1])
    return lambda: moments.update(batch)


def batch_norm(dimensions, channels):
    import evenly.torch

    return getattr(evenly.torch, f"BatchNorm{dimensions}d")(channels)


def learning_layer(x):
    """An input layer that adds every batch to its exact statistics."""
    from evenly.torch import Normalize

    return Normalize(x.shape[1])


def input_layer(x):
    """One that has learned, and is frozen."""
    layer = learning_layer(x)
    layer(x)
    return layer.freeze()


def answer(moments):
    if isinstance(moments, tuple):
        return moments
    if hasattr(moments, "by"):
        rows = [(own.mean, own.variance(correction=1)) for own in moments.values()]
        return tuple(np.array(part) for part in zip(*rows, strict=True))
    return np.asarray(moments.mean), np.asarray(moments.variance())


def _use(threads):
    os.environ["EVENLY_NUM_THREADS"] = str(threads)  # read at each call; takes 1 µs
