"""polars: mean and var of every column. Its threads are set by the process's environment."""

import numpy as np


def fit(x, threads):
    import polars as pl

    frame = pl.DataFrame({f"c{i}": column for i, column in enumerate(np.asfortranarray(x).T)})
    mean, variance = pl.all().mean().name.suffix("_mean"), pl.all().var(ddof=0)
    return lambda: frame.select(mean, variance)


def fit_parquet(path, threads):
    import polars as pl

    mean, variance = pl.all().mean().name.suffix("_mean"), pl.all().var(ddof=0)
    return lambda: pl.scan_parquet(path).select(mean, variance).collect(engine="streaming")


def answer(frame):
    return tuple(np.array(frame.row(0)).reshape(2, -1))
