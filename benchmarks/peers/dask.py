"""Dask on a cluster of as many processes as there are threads, each with one."""

from functools import cache

SCALER = "dask-ml"


def fit_files(folder, threads):
    """Dask's own, in one pass: all means and all variances."""
    import dask

    table = _table(folder, threads)

    def work():
        return dask.compute(table.mean(), table.var(ddof=0))

    return work


def answer(result):
    mean, variance = result
    return mean.to_numpy(), variance.to_numpy()


def fit_files_scaler(folder, threads):
    """dask-ml's StandardScaler, where it is installed; None where it is not."""
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
    """evenly, sent to the partitions."""
    import evenly

    table = _table(folder, threads)
    return lambda: evenly.fit(table)


def _table(folder, threads):
    import dask.dataframe

    _client(threads)
    return dask.dataframe.read_parquet(folder)


@cache
def _client(threads):
    """Started once, before the clock; it ends with this process."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=threads,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=60,
    )
    return Client(cluster)
