"""Ray on this machine, with one worker for each thread."""

from functools import cache


def fit_files(folder, threads):
    """Fit Ray's own StandardScaler."""
    from ray.data.preprocessors import StandardScaler

    data = _data(folder, threads)
    columns = data.schema().names
    return lambda: (StandardScaler(columns).fit(data).stats_, columns)


def answer(result):
    import numpy as np

    stats, columns = result
    mean = np.array([stats[f"mean({name})"] for name in columns])
    return mean, np.array([stats[f"std({name})"] for name in columns]) ** 2


def fit_files_with_evenly(folder, threads):
    """Fit the blocks by evenly."""
    import evenly

    data = _data(folder, threads)
    return lambda: evenly.fit(data)


def _data(folder, threads):
    import ray.data

    _start(threads)
    return ray.data.read_parquet(str(folder))


@cache
def _start(threads):
    """Start Ray once, unless this process has started it; it ends with this process."""
    import logging
    import os

    import ray
    import ray.data

    if ray.is_initialized():
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=threads,
        object_store_memory=2**30,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _node_ip_address="127.0.0.1",
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
