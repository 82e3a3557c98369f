"""A short version of fuzz/fuzz_files.py: mutated files of each format."""

import gc
import importlib.util
import random
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "fuzz" / "fuzz_files.py"


@pytest.fixture(scope="module")
def fuzz():
    for module in ("pyarrow", "h5py", "zarr"):
        pytest.importorskip(module)
    spec = importlib.util.spec_from_file_location("fuzz_files", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Zarr leaves coroutines unawaited if a group in a corrupt archive contains itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    "name", ["arrow", "arrows", "parquet", "csv", "npy", "zip", "hdf5", "zarr"]
)
def test_mutated_file_is_read_or_rejected(fuzz, name):
    assert name in fuzz.SEEDS
    # The HDF5 library may crash on corrupt files: use the same files each time.
    seed = 0 if name == "hdf5" else time.time_ns()
    print("seed", seed)
    seeds = fuzz.seeds_of([name])
    mutants = fuzz.mutate_seeds(random.Random(seed), seeds)
    taken = sum(fuzz.read(next(mutants)) for _ in range(60))
    gc.collect()  # collect unawaited coroutines here
    assert taken < 60


def test_unmutated_files_are_read(fuzz):
    for name in fuzz.SEEDS:
        for seed in fuzz.seeds_of([name]):
            fuzz.read(seed)
    for options in fuzz.ARROW_OPTIONS[:-1]:
        if options.get("by") != "view":
            fuzz.evenly.fit(fuzz.table(), **options)
