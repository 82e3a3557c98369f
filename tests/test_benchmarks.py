"""Each benchmark runs, in a tiny size, on the peers that are installed; figures are not judged."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evenly import _core

ROOT = Path(__file__).parents[1]
PEERS = {"sklearn": "scikit-learn", "numpy": "numpy", "polars": "polars", "duckdb": "duckdb"}
INSTALLED = {name for package, name in PEERS.items() if find_spec(package)}
ROUNDS = 2


def bench(folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", *arguments, "--tiny", "--json"]
    command += ["--threads", "2", "--rounds", str(ROUNDS), "--results", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    kept = [json.loads(path.read_text()) for path in folder.iterdir()]
    assert kept == [record], "the record is kept as it was printed"
    return record


def cases(folder: Path, group: str) -> list[dict[str, Any]]:
    return bench(folder, group)["groups"][group]


def test_every_system_fits_the_same_rows_as_often(tmp_path: Path) -> None:
    """And they agree on the answer, so that no figure is of another work."""
    for case in cases(tmp_path, "fit"):
        seconds = case["races"][0]["seconds"]
        assert INSTALLED | {"read 1", "read", "evenly 1", "evenly"} <= seconds.keys()
        assert {len(times) for times in seconds.values()} == {ROUNDS}
        errors = [error for race in case["races"] for error in race["errors"].values()]
        assert max(max(pair) for pair in errors) < 1e-4


def test_torch_races_after_all_others(tmp_path: Path) -> None:
    """Its threads would take evenly's place in their race."""
    pytest.importorskip("torch")
    (case,) = cases(tmp_path, "images")
    first, second = case["races"]
    assert "torch" not in first["runtime"]
    assert "torch" in second["runtime"]
    assert "torch" in second["seconds"].keys() - first["seconds"].keys()


def test_normalize_is_measured_beside_a_copy(tmp_path: Path) -> None:
    for case in cases(tmp_path, "normalize"):
        assert {"copy 1", "copy", "evenly 1", "evenly"} <= case["races"][0]["seconds"].keys()


def test_every_kernel_is_forced(tmp_path: Path) -> None:
    kernels = [case["races"][0]["kernel"] for case in cases(tmp_path, "kernels")]
    assert set(kernels) == set(_core.kernels())


def test_a_file_is_measured_beside_its_decoding(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    half, whole = cases(tmp_path, "parquet")
    assert half["nbytes"] * 2 == whole["nbytes"]
    assert {"evenly", "row groups", "batches"} <= whole["races"][0]["seconds"].keys()
    before, after = whole["peak"]
    assert 0 < before <= after


def test_small_things_have_figures(tmp_path: Path) -> None:
    figures = [figure for case in cases(tmp_path, "small") for figure in case["figures"]]
    assert all(value >= 0 for _, value, _ in figures)
    assert len({name for name, _, _ in figures}) == len(figures) > 10


def test_between_torchs_operations_each_pool_is_used(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    runtimes = {case["pool"]: case["runtime"] for case in cases(tmp_path, "between")}
    assert "torch" in runtimes["torch's runtime"]
    assert runtimes["own pool"] == "evenly's own pool"


def test_a_case_that_fails_is_said_and_counted(tmp_path: Path) -> None:
    """One failure does not lose the figures of the others, and does not look like success."""
    command = [sys.executable, "-m", "benchmarks", "images", "--tiny", "--rounds", "1"]
    command += ["--threads", "2", "--results", str(tmp_path / "results")]
    code = "import sys; sys.modules['evenly._core'] = None"
    (tmp_path / "sitecustomize.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "images failed: " in done.stdout
