"""evenly."""

import os
from pathlib import Path

import numpy as np


def fit(x, threads):
    import evenly

    def run():
        _set_threads(threads)
        return evenly.fit(x)

    return run


def fit_distribution(x, threads):
    import evenly

    def run():
        _set_threads(threads)
        return evenly.fit(x, distribution=True)

    return run


def fit_with_results(x, threads):
    """Fit and compute the correctly rounded mean and variance, column by column."""
    import evenly

    def run():
        _set_threads(threads)
        moments = evenly.fit(x)
        return moments.mean, moments.variance()

    return run


def fit_frame(x, threads):
    """Fit the same rows as a polars DataFrame, through Arrow."""
    import evenly
    from benchmarks.peers.polars import frame

    columns = frame(x)

    def run():
        _set_threads(threads)
        return evenly.fit(columns)

    return run


def fit_images(x, threads):
    import evenly

    def run():
        _set_threads(threads)
        return evenly.fit(x, feature_axis=1)

    return run


def fit_photos(folder, threads):
    import evenly

    def run():
        _set_threads(threads)
        return evenly.fit(folder)

    return run


def fit_photo_dataset(paths, threads):
    """Fit the image column of a dataset of Hugging Face, which decodes nothing itself."""
    import datasets

    import evenly

    images = datasets.Dataset.from_dict({"image": paths})
    images = images.cast_column("image", datasets.Image())

    def run():
        _set_threads(threads)
        return evenly.fit(images, select="image")

    return run


def fit_groups(x, keys, threads):
    """Fit a polars DataFrame by group."""
    import polars as pl

    import evenly
    from benchmarks.peers.polars import frame

    columns = frame(x).with_columns(key=pl.Series(keys))

    def run():
        _set_threads(threads)
        return evenly.fit(columns, by="key")

    return run


def normalize(x, out, threads):
    import evenly

    moments = evenly.fit(x)
    return lambda: (_set_threads(threads), moments.normalize(x, out=out))[1]


def fit_parquet(path: Path, threads):
    import evenly

    def run():
        _set_threads(threads)
        return evenly.fit(path)

    return run


def fit_parquet_unchecked(path: Path, threads):
    """Fit without validating Arrow data, which gives the cost of the checks."""
    from unittest.mock import patch

    fit = fit_parquet(path, threads)

    def run():
        with patch("evenly.sources.arrow_input.validate_arrow", lambda x, *_, **__: x):
            return fit()

    return run


def update(batch):
    import evenly

    moments = evenly.Moments.empty(batch.shape[1])
    return lambda: moments.update(batch)


def batch_norm(dimensions, channels, **options):
    import evenly.torch

    return getattr(evenly.torch, f"BatchNorm{dimensions}d")(channels, **options)


def learning_layer(x):
    """Return an input layer that adds every batch to its exact statistics."""
    from evenly.torch import Normalize

    return Normalize(x.shape[1])


def input_layer(x):
    """Return a frozen input layer with the statistics of ``x``."""
    layer = learning_layer(x)
    layer(x)
    return layer.freeze()


def answer(moments):
    if isinstance(moments, tuple):
        return moments
    if hasattr(moments, "by"):
        rows = [(group.mean, group.variance(correction=1)) for group in moments.values()]
        return tuple(map(np.array, zip(*rows, strict=True)))
    return np.asarray(moments.mean), np.asarray(moments.variance())


def _set_threads(threads):
    os.environ["EVENLY_NUM_THREADS"] = str(threads)  # read at each call; setting it takes 1 µs
