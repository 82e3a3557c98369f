"""Fit a folder of Parquet files: by an engine, by evenly on the engine, and by evenly alone."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import evenly, installed, peer
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import ParquetFolder, parquet_folder

TITLE = "Fit a folder of Parquet files"
ENGINES = ("dask", "spark", "ray")
"""Modules of `peers` with ``fit_files``, ``answer`` and ``fit_files_with_evenly``. An engine with
a second implementation also has its name, ``SCALER``, ``fit_files_scaler`` and
``answer_scaler``."""


def cases(size):
    engines = [engine for engine in ENGINES if installed(engine) and installed("pyarrow")]
    return [{"engine": engine, "size": size} for engine in engines]


def run(engine, size, threads, rounds):
    """Run one engine in this process; it may leave workers running."""
    workload = parquet_folder(size)
    with TemporaryDirectory() as folder:
        exact = workload.make(Path(folder))
        candidates, answers = _systems(engine, folder, threads)
        results = warm_up(candidates)
        errors = {name: _errors(answers[name](results[name]), exact) for name in results}
        del results
        timing = {"seconds": time_interleaved(candidates, rounds), "errors": errors}
    timing |= {"kernel": kernel(), "runtime": runtime()}
    return {"label": workload.label, "nbytes": workload.nbytes, "timings": [timing]}


def _systems(engine, folder, threads):
    """Return the candidates, and by name a function from its result to (mean, variance)."""
    module = peer(engine)
    systems = {
        "evenly alone": (evenly.fit_parquet(folder, threads), evenly.answer),
        engine: (module.fit_files(folder, threads), module.answer),
        f"evenly on {engine}": (module.fit_files_with_evenly(folder, threads), evenly.answer),
    }
    if scaler := getattr(module, "fit_files_scaler", lambda *_: None)(folder, threads):
        systems[module.SCALER] = (scaler, module.answer_scaler)
    candidates = [Candidate(name, function) for name, (function, _) in systems.items()]
    return candidates, {name: answer for name, (_, answer) in systems.items()}


def _errors(result, exact):
    """Return the largest errors: of the mean in standard deviations, of the variance relatively."""
    (mean, variance), (exact_mean, exact_variance) = result, exact
    mean_error = abs(mean - exact_mean) / np.sqrt(exact_variance)
    variance_error = abs(variance / exact_variance - 1)
    return float(mean_error.max()), float(variance_error.max())


def show(records):
    columns = ["", "engine", "system", "seconds", "GB/s", "× evenly alone"]
    columns += ["mean error", "var error"]
    rows = [row for record in records for row in _rows(record)]
    note = (
        "GB/s of the decoded values; × evenly alone: time relative to it; mean error: the "
        "largest, in standard deviations; var error: the largest, relative. "
        f"Data: {ParquetFolder.__doc__}"
    )
    return [table.plain(TITLE, columns, rows, note)]


def _rows(record):
    times = table.seconds(record)
    for name, seconds in times.items():
        errors = record["timings"][0]["errors"][name]
        figures = [f"{seconds:.3f}", f"{record['nbytes'] / seconds / 1e9:.2f}"]
        figures += [f"{seconds / times['evenly alone']:.1f}", *(f"{error:.0e}" for error in errors)]
        yield [record["label"], record["engine"], name, *figures]
