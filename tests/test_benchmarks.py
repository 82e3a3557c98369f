"""Each benchmark runs on the installed peers, in its smallest size; times are not judged."""

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
from benchmarks import trace_calls
from benchmarks.subprocess_runner import run_in_subprocess
from benchmarks.suites import NAMES, load_suite
from rich.console import Console

import evenly
from benchmark_runner import print_tables, run_suite
from evenly import _core

pytestmark = pytest.mark.filterwarnings("default")  # peers may warn

ROOT = Path(__file__).parents[1]
PEERS = {"sklearn": "scikit-learn", "numpy": "numpy", "polars": "polars", "duckdb": "duckdb"}
INSTALLED = {name for package, name in PEERS.items() if find_spec(package)}
PASSES = ["training forward", "eval forward", "forward+backward"]


def command(folder: Path, *arguments: str) -> list[str]:
    start = [sys.executable, "-m", "benchmarks", *arguments, "--tiny", "--json", "--threads", "2"]
    return [*start, "--rounds", "1", "--results", str(folder)]


def test_command_line_prints_and_saves_the_record_and_times_torch_last(tmp_path: Path) -> None:
    """Otherwise torch's threads would replace evenly's in the first timing."""
    pytest.importorskip("torch")
    done = subprocess.run(
        command(tmp_path, "images"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [json.loads(path.read_text()) for path in tmp_path.iterdir()] == [record]
    (case,) = record["suites"]["images"]
    first, second = case["timings"]
    assert "torch" not in first["runtime"]
    assert "torch" in second["runtime"]
    assert "torch" in second["seconds"].keys() - first["seconds"].keys()
    assert "Fit uint8 images per channel" in done.stderr


def test_failed_case_is_printed_and_sets_the_exit_status(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['evenly._core'] = None")
    done = subprocess.run(
        command(tmp_path / "results", "images"),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "images failed: " in done.stderr


def test_tables_of_failed_cases_show_the_others_and_count_failures() -> None:
    (record,) = run_suite("images")
    text = print_tables("images", [record, {"failed": "it broke", "load": 1.0}])
    assert record["label"] in text
    assert "images failed: it broke (1×)" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_suite_has_cases_and_is_listed_in_the_readme(name: str) -> None:
    assert load_suite(name).TITLE
    assert f"| `{name}` |" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_fit_times_all_installed_systems_and_they_agree() -> None:
    records = run_suite("fit", rounds=2)
    for record in records:
        names = record["timings"][0]["seconds"].keys()
        assert INSTALLED | {"read 1", "read", "evenly 1", "evenly"} <= names
        errors = [error for timing in record["timings"] for error in timing["errors"].values()]
        assert max(max(pair) for pair in errors) < 1e-4
    assert "evenly, with results" in print_tables("fit", records)


def test_group_by_agrees_with_polars_and_pandas() -> None:
    pytest.importorskip("polars")
    records = run_suite("groups")
    for record in records:
        (timing,) = record["timings"]
        assert timing["seconds"].keys() == {"evenly", "polars", "pandas"}
        if record["offset"] < 1e9:  # their variances are wrong far from zero
            assert max(max(pair) for pair in timing["errors"].values()) < 1e-6
    assert "× pandas" in print_tables("groups", records)


def test_normalize_is_compared_with_a_copy() -> None:
    records = run_suite("normalize")
    for record in records:
        names = record["timings"][0]["seconds"].keys()
        assert {"copy 1", "copy", "evenly 1", "evenly"} <= names
    assert "/ copy" in print_tables("normalize", records)


def test_kernels_runs_every_layout() -> None:
    records = run_suite("kernels")
    assert len({record["layout"] for record in records}) == 4
    assert "/ limit" in print_tables("kernels", records)


def test_kernels_forces_every_kernel() -> None:
    cases = [case for case in load_suite("kernels").cases("tiny") if case["layout"] == "float32"]
    records = [run_case_in_subprocess("kernels", case) for case in cases]
    assert {record["timings"][0]["kernel"] for record in records} == set(_core.kernels())


def run_case_in_subprocess(suite: str, case: dict[str, Any]) -> dict[str, Any]:
    environment = case.pop("environment")
    record = run_in_subprocess(suite, case | {"threads": 2, "rounds": 1}, environment)
    assert "failed" not in record, record["failed"]
    return record


def test_parquet_is_compared_with_decoding_and_measures_memory() -> None:
    pytest.importorskip("pyarrow")
    records = half, whole = run_suite("parquet")
    assert half["nbytes"] * 2 == whole["nbytes"]
    names = whole["timings"][0]["seconds"].keys()
    assert {"evenly", "unchecked", "row groups", "batches"} <= names
    before, after = whole["peak"]
    assert 0 < before <= after
    assert "/ fastest" in print_tables("parquet", records)


def test_photos_are_compared_with_decoding_and_with_the_usual_loop() -> None:
    """The loop's mean is correct, since all images have one size; its std is visibly wrong."""
    for package in ("PIL", "simplejpeg", "skimage", "sklearn", "torch"):
        pytest.importorskip(package)
    (record,) = run_suite("photos")
    first, second = record["timings"]
    expected = ["decode", "arrays", "simplejpeg", "evenly"]
    expected += ["evenly, dataset"] * bool(find_spec("datasets"))
    assert list(first["seconds"]) == expected
    assert list(second["seconds"]) == ["evenly", "torch"]
    mean, std = record["errors"]
    assert mean < 1e-5
    assert std > 0.05
    assert "× torch loop" in print_tables("photos", [record])


def test_estimators_are_compared_call_by_call_and_agree() -> None:
    pytest.importorskip("sklearn")
    (record,) = run_suite("estimator", dtype="uint8")
    assert len(record["comparisons"]) == 5
    for comparison in record["comparisons"].values():
        assert list(comparison["seconds"]) == ["scikit-learn", "evenly"]
        assert comparison["difference"] < 1e-3
    assert min(record["peaks"].values()) >= 0
    assert "inverse_transform" in print_tables("estimator", [record])


def test_merge_scale_agrees_with_a_sum_of_multiples() -> None:
    command = [sys.executable, "-m", "benchmarks.merge_scale", "--partitions=40", "--columns=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["merges"] == 40 + 3


def test_distributions_are_compared_with_a_plain_fit_and_peers() -> None:
    records = run_suite("distribution")
    assert "Parquet, 16 columns" in [record["label"] for record in records]
    seconds = records[0]["timings"][0]["seconds"]
    assert {"fit 1", "distribution 1", "distribution", "numpy"} <= seconds.keys()
    assert all(record["bytes"] > 0 for record in records if "bytes" in record)
    assert "timestamps" in print_tables("distribution", records)


def test_small_operations_are_measured() -> None:
    records = run_suite("small")
    figures = [figure for record in records for figure in record["figures"]]
    assert all(value >= 0 for _, value, _ in figures)
    assert len({name for name, _, _ in figures}) == len(figures) > 10
    assert "per column" in print_tables("small", records)


def test_latency_compares_rows_and_steps() -> None:
    pytest.importorskip("sklearn")
    records = run_suite("latency")
    row, step = records
    assert row["timings"][0]["seconds"].keys() == {"evenly", "evenly.sklearn", "scikit-learn"}
    assert step["timings"][0]["seconds"].keys() == {"evenly", "Gymnasium's formula"}
    assert all(bytes_ > 0 for record in records for bytes_ in record["memory"].values())
    assert "normalize one row" in print_tables("latency", records)


def test_imports_and_first_calls_are_timed_with_cached_bytecode() -> None:
    (record,) = records = run_suite("imports")
    assert record["module"] == "evenly"
    assert 0 < min(record["imports"]) < min(record["calls"])  # which imports NumPy
    assert "import evenly" in print_tables("imports", records)


def test_frames_are_compared_with_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    records = run_suite("frames")
    found = {(record["operation"], record["library"]): record for record in records}
    assert len(found) == 6
    peers = found["normalize", "polars"]["timings"][0]["seconds"].keys()
    assert peers == {"evenly", "scikit-learn, to an array", "scikit-learn, to a frame"}
    assert "scikit-learn, to a frame" not in found["normalize", "pyarrow"]["timings"][0]["seconds"]
    assert "normalize" in print_tables("frames", records)


def test_thread_contention_uses_the_pool_of_each_case() -> None:
    pytest.importorskip("torch")
    cases = {case["pool"]: case for case in load_suite("between").cases("tiny")}
    torch, own = (cases[pool] for pool in ("torch's runtime", "own pool"))
    assert "torch" in run_case_in_subprocess("between", torch)["runtime"]
    assert run_case_in_subprocess("between", own)["runtime"] == "evenly's own pool"


@pytest.mark.parametrize("operation", ["matmul", "conv2d"])
def test_thread_contention_times_operations_alone_and_in_turn(operation: str) -> None:
    pytest.importorskip("torch")
    (record,) = run_suite("between", operation=operation, pool="own pool")
    assert record["alone"].keys() == record["between"].keys() == {"operation", "update"}
    assert "update between µs" in print_tables("between", [record])


def test_batch_norm_is_compared_with_torch_and_copies_in_every_pass() -> None:
    """Outputs, gradients and running statistics agree with torch's."""
    pytest.importorskip("torch")
    records = run_suite("batch_norm")
    assert len(records) == 2 * 3, "two dtypes; channels last for images only"
    for record in records:
        assert list(record["passes"]) == PASSES
        for (comparison,) in record["passes"].values():
            assert list(comparison["seconds"]) == ["torch", "evenly", "copies", "identity"]
            assert comparison["differences"].keys() == {"evenly", "evenly, running"}
            tolerance = 1e-5 if record["dtype"] == "float32" else 2**-6
            assert max(comparison["differences"].values()) < tolerance
    assert "geometric means" in print_tables("batch_norm", records)


def test_batch_norm_on_a_device_is_also_timed_with_exact() -> None:
    """The CPU by another name: the suite waits for the device, and times another layer."""
    pytest.importorskip("torch")
    (record,) = load_suite("batch_norm").cases("tiny")[:1]
    record |= load_suite("batch_norm").run(**record, threads=2, rounds=1, device="cpu:0")
    for comparisons in record["passes"].values():
        assert "evenly, exact" in comparisons[0]["seconds"]
        assert comparisons[0]["differences"]["evenly, exact"] < 1e-3
    assert "× torch, exact" in print_tables("batch_norm", [record | {"load": 0.0}])


def test_suites_without_devices_reject_the_option(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "fit", "--device", "cuda"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    message = " ".join(done.stderr.replace("│", " ").split())
    assert (
        "--device is for suites of layers that run on accelerators. Received: fit. Run python -m "
        "benchmarks batch_norm --device cuda."
    ) in message


def test_compiled_batch_norm_is_compared_with_torchs_in_every_pass() -> None:
    pytest.importorskip("torch")
    (record,) = run_suite("compile")
    assert list(record["passes"]) == PASSES
    for comparison in record["passes"].values():
        assert list(comparison["seconds"]) == ["torch", "evenly"]
        assert comparison["differences"]["evenly"] < 1e-5
    assert "Compiled batch normalization and ReLU" in print_tables("compile", [record])


def test_torch_report_lists_slower_inaccurate_and_unsteady_cases() -> None:
    seconds = {"torch": [1.0], "evenly": [2.0], "copies": [0.5, 2.0, 2.0], "identity": [0.25]}
    comparison = {"calls": 1, "seconds": seconds, "differences": {"evenly": 0.5}}
    case = {"label": "3×2", "layout": "contiguous", "dtype": "float32", "runtime": "", "nbytes": 24}
    case |= {"cache": 1 << 20, "channel_bytes": 192, "core_cache": 1}
    case["passes"] = {name: [comparison] for name in PASSES}
    torch_report = import_module("benchmarks.torch_report")
    console = Console(record=True, width=200, file=StringIO())
    console.print(*torch_report.tables("", [case]))
    slower, differ = console.export_text().split("Slower than torch:")[1].split("Answers that")
    differ, unsteady = differ.split("Unsteady")
    for name in PASSES:
        assert f"- {name} of 3×2 contiguous float32 (0.50×)" in slower
        assert f"- {name} of 3×2 contiguous float32 (5e-01)" in differ
        assert f"- {name} of 3×2 contiguous float32 (4.0×)" in unsteady
    # The median of the copies is 2. What the cache of a core holds is not read again.
    bound = torch_report.upper_bound
    assert bound("training forward", case) == 1 / (0.25 + 2 * 1.5)
    assert bound("eval forward", case) == 1 / (0.25 + 2)
    assert bound("forward+backward", case | {"core_cache": 383}) == 1 / (0.25 + 3.2)
    assert bound("forward+backward", case | {"core_cache": 384}) == 1 / (0.25 + 2)


def test_training_step_agrees_with_torch() -> None:
    pytest.importorskip("torch")
    records = run_suite("network")
    for record in records:
        assert list(record["comparison"]["seconds"]) == ["torch", "evenly", "none"]
        assert record["comparison"]["differences"]["evenly"] < 1e-3
    assert "layers alone × torch" in print_tables("network", records)


def test_input_layer_is_timed_frozen_and_learning() -> None:
    pytest.importorskip("evenly.torch.normalize")
    records = run_suite("input_layer")
    for record in records:
        names = list(record["comparison"]["seconds"])
        assert names == ["torch", "evenly", "learning", "copies"]
        assert max(record["comparison"]["differences"].values()) < 1e-5
    assert "learning µs" in print_tables("input_layer", records)


def test_trace_counts_calls_files_and_scans(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n2\n", encoding="utf-8")
    plain = trace_calls.trace(lambda: sum([1, 2]))
    assert plain == (0, 0, 0, 0)
    file = trace_calls.trace(lambda: evenly.fit(tmp_path / "x.csv", threads=1))
    assert file.calls > file.files > 10
    assert file.moves >= file.files - 1
    folder = trace_calls.trace(lambda: evenly.fit(tmp_path, threads=1))
    assert folder.scans > file.scans == 0


def test_report_suite_measures_pages_and_halves() -> None:
    records = run_suite("report")
    assert records[0]["bytes"] > 100_000
    assert [record["over"] for record in records[1:]] == [0, 0, 0]
    text = print_tables("report", records)
    assert "s to open" in text
    assert "over the limit" in text
