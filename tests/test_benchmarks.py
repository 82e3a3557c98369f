"""Run each benchmark in a tiny size with the installed peers; times are not checked."""

import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evenly import _core

ROOT = Path(__file__).parents[1]
PEERS = {"sklearn": "scikit-learn", "numpy": "numpy", "polars": "polars", "duckdb": "duckdb"}
INSTALLED = {name for package, name in PEERS.items() if find_spec(package)}
ROUNDS = 2
PASSES = ["training forward", "eval forward", "forward+backward"]


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


def test_fit_every_system_has_same_rows_and_repetitions(tmp_path: Path) -> None:
    """All systems agree on the result, so that the times are of the same work."""
    for case in cases(tmp_path, "fit"):
        seconds = case["races"][0]["seconds"]
        assert INSTALLED | {"read 1", "read", "evenly 1", "evenly"} <= seconds.keys()
        assert {len(times) for times in seconds.values()} == {ROUNDS}
        errors = [error for race in case["races"] for error in race["errors"].values()]
        assert max(max(pair) for pair in errors) < 1e-4


def test_torch_is_timed_last(tmp_path: Path) -> None:
    """Its threads would slow down evenly in the same process."""
    pytest.importorskip("torch")
    (case,) = cases(tmp_path, "images")
    first, second = case["races"]
    assert "torch" not in first["runtime"]
    assert "torch" in second["runtime"]
    assert "torch" in second["seconds"].keys() - first["seconds"].keys()


def test_normalize_is_compared_with_copy(tmp_path: Path) -> None:
    for case in cases(tmp_path, "normalize"):
        assert {"copy 1", "copy", "evenly 1", "evenly"} <= case["races"][0]["seconds"].keys()


def test_every_kernel_is_timed(tmp_path: Path) -> None:
    kernels = [case["races"][0]["kernel"] for case in cases(tmp_path, "kernels")]
    assert set(kernels) == set(_core.kernels())


def test_files_are_compared_with_decoding(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    half, whole = cases(tmp_path, "parquet")
    assert half["nbytes"] * 2 == whole["nbytes"]
    assert {"evenly", "unchecked", "row groups", "batches"} <= whole["races"][0]["seconds"].keys()
    before, after = whole["peak"]
    assert 0 < before <= after


def test_photos_are_compared_with_decoding(tmp_path: Path) -> None:
    """The usual loop has the right mean, as all images have one size, but a wrong std."""
    for package in ("PIL", "simplejpeg", "skimage", "sklearn", "torch"):
        pytest.importorskip(package)
    (case,) = cases(tmp_path, "photos")
    first, second = case["races"]
    assert list(first["seconds"]) == ["decode", "arrays", "simplejpeg", "evenly"]
    assert list(second["seconds"]) == ["evenly", "torch"]
    mean, std = case["errors"]
    assert mean < 1e-5
    assert std > 0.05


def test_estimators_are_timed_per_call_and_agree(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    for case in cases(tmp_path, "estimator"):
        assert len(case["contests"]) == 5
        for contest in case["contests"].values():
            assert list(contest["seconds"]) == ["scikit-learn", "evenly"]
            assert contest["difference"] < 1e-3
        assert min(case["peaks"].values()) >= 0


def test_engines_are_compared_with_evenly(tmp_path: Path) -> None:
    """evenly's results are exact, compared with integer arithmetic."""
    pytest.importorskip("dask")
    for case in cases(tmp_path, "engines"):
        (record,) = case["races"]
        ours = {"evenly alone", f"evenly on {case['engine']}"}
        assert ours | {case["engine"]} <= record["seconds"].keys()
        assert all(record["errors"][name] == [0.0, 0.0] for name in ours)


def test_small_petabyte() -> None:
    """The benchmark checks its sum itself in a second way."""
    command = [sys.executable, "-m", "benchmarks.petabyte", "--partitions", "40", "--columns", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["merges"] == 40 + 3


def test_small_inputs_are_timed(tmp_path: Path) -> None:
    figures = [figure for case in cases(tmp_path, "small") for figure in case["figures"]]
    assert all(value >= 0 for _, value, _ in figures)
    assert len({name for name, _, _ in figures}) == len(figures) > 10


def test_each_pool_is_timed_between_torch_operations(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    runtimes = {case["pool"]: case["runtime"] for case in cases(tmp_path, "between")}
    assert "torch" in runtimes["torch's runtime"]
    assert runtimes["own pool"] == "evenly's own pool"


def test_batch_norm_passes_are_compared_with_torch_and_copies(tmp_path: Path) -> None:
    """Outputs, gradients and running statistics are those of torch."""
    pytest.importorskip("torch")
    results = cases(tmp_path, "batch_norm")
    assert len(results) == 2 * 3, "two types; channels last for images only"
    for case in results:
        assert list(case["passes"]) == PASSES
        for (contest,) in case["passes"].values():
            assert list(contest["seconds"]) == ["torch", "evenly", "copies", "bare"]
            assert contest["differences"].keys() == {"evenly", "evenly, running"}
            tolerance = 1e-5 if case["dtype"] == "float32" else 2**-6
            assert max(contest["differences"].values()) < tolerance


def test_report_names_slow_wrong_and_unstable_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    seconds = {"torch": [1.0], "evenly": [2.0], "copies": [0.5, 2.0, 2.0], "bare": [0.25]}
    contest = {"calls": 1, "seconds": seconds, "differences": {"evenly": 0.5}}
    case = {"label": "3×2", "layout": "contiguous", "dtype": "float32", "runtime": "", "nbytes": 24}
    case |= {"cache": 1 << 20, "strip": 192, "core_cache": 1}
    case["passes"] = {name: [contest] for name in PASSES}
    standings = import_module("benchmarks.standings")
    tables = standings.tables("", [case])
    console = Console(record=True, width=200, file=StringIO())
    console.print(*tables)
    slower, differ = console.export_text().split("Slower than torch:")[1].split("Answers that")
    differ, unsteady = differ.split("Unsteady")
    for name in PASSES:
        assert f"- {name} of 3×2 contiguous float32 (0.50×)" in slower
        assert f"- {name} of 3×2 contiguous float32 (5e-01)" in differ
        assert f"- {name} of 3×2 contiguous float32 (4.0×)" in unsteady
    # The copies' median is 2; what a cache of a core keeps is not read again.
    assert standings.at_most("training forward", case) == 1 / (0.25 + 2 * 1.5)
    assert standings.at_most("eval forward", case) == 1 / (0.25 + 2)
    assert standings.at_most("forward+backward", case | {"core_cache": 383}) == 1 / (0.25 + 3.2)
    assert standings.at_most("forward+backward", case | {"core_cache": 384}) == 1 / (0.25 + 2)


def test_batch_norm_in_network_is_timed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for case in cases(tmp_path, "network"):
        assert list(case["contest"]["seconds"]) == ["torch", "evenly", "none"]
        assert case["contest"]["differences"]["evenly"] < 1e-3
        assert "torch" in case["runtime"]


def test_input_layer_is_timed_frozen_and_learning(tmp_path: Path) -> None:
    pytest.importorskip("evenly.torch.normalize")
    for case in cases(tmp_path, "input_layer"):
        assert list(case["contest"]["seconds"]) == ["torch", "evenly", "learning", "copies"]
        assert max(case["contest"]["differences"].values()) < 1e-5


def test_failed_case_is_reported(tmp_path: Path) -> None:
    """A failure keeps the times of other cases and sets the exit status."""
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
