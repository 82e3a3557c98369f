"""A Dask cluster of two processes: identical bits, also when a worker is killed."""

import os
import signal
from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import evenly
from benchmark_runner import check_engine
from evenly.errors import DataError
from kill_dask import PARTS, cluster, killed_from_outside, parts, whole


@pytest.fixture(scope="module")
def client():
    with cluster() as started:
        yield started


def make_values(rows=500):
    rng = np.random.default_rng(1)
    return rng.normal(1.7e9, 1, (rows, 4)) * 2.0 ** rng.integers(-30, 30, (rows, 4))


@pytest.mark.parametrize("seed", range(5))
def test_chunks_do_not_change_bits(client, seed):
    rng = np.random.default_rng(seed)
    x = make_values()
    edges = np.unique([0, *rng.integers(0, 500, rng.integers(0, 30)), 500])
    cut = da.from_array(x, chunks=(tuple(map(int, np.diff(edges))), int(rng.integers(1, 5))))
    assert evenly.fit(cut) == evenly.fit(x)


def test_fit_and_normalize_frame_on_workers(client):
    frame = pd.DataFrame(make_values(), columns=list("abcd")).assign(text="x", w=2)
    cut = dd.from_pandas(frame, npartitions=7)
    moments = evenly.fit(cut, weights="w")
    assert moments == evenly.fit(frame, weights="w")
    pd.testing.assert_frame_equal(
        moments.normalize(cut).compute(), moments.normalize(cut.compute())
    )


def test_fit_persisted_array_and_futures(client):
    x = make_values()
    assert evenly.fit(da.from_array(x, chunks=(50, 2)).persist()) == evenly.fit(x)
    futures = client.scatter([x[:100], x[100:]])
    assert evenly.fit(futures) == evenly.fit(x)


def test_worker_error_names_column_and_partition(client):
    frame = pd.DataFrame(make_values(), columns=list("abcd"))
    frame.loc[499, "d"] = -np.inf
    with pytest.raises(DataError, match="infinity in column 'd', row 99 of partition 4"):
        evenly.fit(dd.from_pandas(frame, npartitions=5))


def test_retried_task_counts_once(client, tmp_path):
    def flaky(number: int) -> None:
        if not (tmp_path / str(number)).exists():
            (tmp_path / str(number)).touch()
            raise OSError("the disk was busy")

    with dask.annotate(retries=2):
        partitions = parts(3, flaky)
    assert evenly.fit(partitions) == whole(3)
    assert len(list(tmp_path.iterdir())) == PARTS


def killed_once(folder: Path, when: int):
    """Return a hook that logs each computed part and kills the worker at one of them, once."""

    def on_compute(number: int) -> None:
        with open(folder / "computed", "a") as file:
            file.write(f"{number}\n")
        if number == when and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return on_compute


@pytest.mark.parametrize("when", [0, PARTS - 1])
def test_worker_killed_in_task_changes_no_bits(tmp_path, when):
    with cluster():
        moments = evenly.fit(parts(when, killed_once(tmp_path, when)))
    computed = Counter(map(int, (tmp_path / "computed").read_text().split()))
    assert len(computed) == PARTS
    assert computed[when] >= 2  # recomputed, but counted once
    assert moments == whole(when)
    assert moments.rows == whole(when).rows


@pytest.mark.parametrize("seed", [1])
def test_worker_killed_from_outside_changes_no_bits(seed):
    killed_from_outside(seed, np.random.default_rng(seed).uniform(0.1, 0.5))


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_dask_with_evenly():
    check_engine("dask")
