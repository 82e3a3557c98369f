"""Dask on a local cluster, with one process of one thread for each thread."""

from contextlib import suppress
from functools import cache

SCALER = "dask-ml"


def fit_files(folder, threads):
    """Compute all means and variances in one pass of Dask."""
    import dask

    table = _table(folder, threads)

    def run():
        return dask.compute(table.mean(), table.var(ddof=0))

    return run


def answer(result):
    mean, variance = result
    return mean.to_numpy(), variance.to_numpy()


def fit_files_scaler(folder, threads):
    """Fit dask-ml's StandardScaler, or return None if it is not installed."""
    from importlib.util import find_spec

    if find_spec("dask_ml") is None:
        return None
    from dask_ml.preprocessing import StandardScaler

    table = _table(folder, threads)
    return lambda: StandardScaler().fit(table)


def answer_scaler(scaler):
    import numpy as np

    return np.asarray(scaler.mean_), np.asarray(scaler.var_)


def fit_files_with_evenly(folder, threads):
    """Fit the partitions by evenly."""
    import evenly

    table = _table(folder, threads)
    return lambda: evenly.fit(table)


def _table(folder, threads):
    import dask.dataframe

    _client(threads)
    return dask.dataframe.read_parquet(folder)


@cache
def _client(threads):
    """Return the client of this process, or start a cluster that ends with it."""
    from distributed import Client, LocalCluster, default_client

    with suppress(ValueError):
        return default_client()

    cluster = LocalCluster(
        n_workers=threads,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=60,
    )
    return Client(cluster)
