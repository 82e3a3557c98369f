"""A real Dask cluster of two processes, and their deaths: the same bits as on one machine."""

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


def values(rows=500):
    rng = np.random.default_rng(1)
    return rng.normal(1.7e9, 1, (rows, 4)) * 2.0 ** rng.integers(-30, 30, (rows, 4))


@pytest.mark.parametrize("seed", range(5))
def test_any_chunks_give_the_same_bits(client, seed):
    rng = np.random.default_rng(seed)
    x = values()
    edges = np.unique([0, *rng.integers(0, 500, rng.integers(0, 30)), 500])
    cut = da.from_array(x, chunks=(tuple(map(int, np.diff(edges))), int(rng.integers(1, 5))))
    assert evenly.fit(cut) == evenly.fit(x)


def test_a_frame_is_fitted_and_normalised_by_the_workers(client):
    frame = pd.DataFrame(values(), columns=list("abcd")).assign(text="x", w=2)
    cut = dd.from_pandas(frame, npartitions=7)
    moments = evenly.fit(cut, weights="w")
    assert moments == evenly.fit(frame, weights="w")
    pd.testing.assert_frame_equal(
        moments.normalize(cut).compute(), moments.normalize(cut.compute())
    )


def test_what_is_persisted_and_what_is_a_future_is_fitted_where_it_is(client):
    x = values()
    assert evenly.fit(da.from_array(x, chunks=(50, 2)).persist()) == evenly.fit(x)
    futures = client.scatter([x[:100], x[100:]])
    assert evenly.fit(futures) == evenly.fit(x)


def test_an_error_of_a_worker_names_the_column_and_the_partition(client):
    frame = pd.DataFrame(values(), columns=list("abcd"))
    frame.loc[499, "d"] = -np.inf
    with pytest.raises(DataError, match="infinity in column 'd', row 99 of partition 4"):
        evenly.fit(dd.from_pandas(frame, npartitions=5))


def test_a_task_that_fails_and_is_tried_again_counts_once(client, tmp_path):
    def flaky(number: int) -> None:
        if not (tmp_path / str(number)).exists():
            (tmp_path / str(number)).touch()
            raise OSError("the disk was busy")

    with dask.annotate(retries=2):
        work = parts(3, flaky)
    assert evenly.fit(work) == whole(3)
    assert len(list(tmp_path.iterdir())) == PARTS


def dies_once(folder: Path, when: int):
    """Note each making of a part; the part of this number takes its worker with it, once."""

    def made(number: int) -> None:
        with open(folder / "made", "a") as file:
            file.write(f"{number}\n")
        if number == when and not (folder / "dead").exists():
            (folder / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return made


@pytest.mark.parametrize("when", [0, PARTS - 1])
def test_a_worker_that_dies_in_a_task_changes_no_bit(tmp_path, when):
    with cluster():
        moments = evenly.fit(parts(when, dies_once(tmp_path, when)))
    made = Counter(map(int, (tmp_path / "made").read_text().split()))
    assert len(made) == PARTS
    assert made[when] >= 2  # it was made again, and counted once
    assert moments == whole(when)
    assert moments.rows == whole(when).rows


@pytest.mark.parametrize("seed", [1])
def test_a_worker_killed_from_outside_changes_no_bit(seed):
    killed_from_outside(seed, np.random.default_rng(seed).uniform(0.1, 0.5))


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("default")  # the engine may warn
def test_benchmark_compares_dask_with_evenly():
    check_engine("dask")
