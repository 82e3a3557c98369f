"""A folder of Parquet files on an engine: its own way, evenly sent to it, and evenly alone."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import evenly, installed, peer
from benchmarks.race import Entry, race, warm_up
from benchmarks.workloads import ParquetFolder, parquet_folder

TITLE = "Fit a folder of Parquet files"
ENGINES = ("dask", "spark", "ray")
"""Each a file of `peers`, with ``fit_files``, ``answer`` and ``fit_files_with_evenly``; where
it has another way of its own, also with ``SCALER``, its name, ``fit_files_scaler`` and
``answer_scaler``."""


def cases(size):
    there = [engine for engine in ENGINES if installed(engine) and installed("pyarrow")]
    return [{"engine": engine, "size": size} for engine in there]


def run(engine, size, threads, rounds):
    """One engine a process: what it leaves running reaches no other."""
    work = parquet_folder(size)
    with TemporaryDirectory() as folder:
        exact = work.make(Path(folder))
        entries, answers = _systems(engine, folder, threads)
        results = warm_up(entries)
        errors = {name: _errors(answers[name](results[name]), exact) for name in results}
        del results
        record = {"seconds": race(entries, rounds), "errors": errors}
    record |= {"kernel": kernel(), "runtime": runtime()}
    return {"label": work.label, "nbytes": work.nbytes, "races": [record]}


def _systems(engine, folder, threads):
    """The entries, and for each what makes (mean, variance) of what it gives."""
    module = peer(engine)
    systems = {
        "evenly alone": (evenly.fit_parquet(folder, threads), evenly.answer),
        engine: (module.fit_files(folder, threads), module.answer),
        f"evenly on {engine}": (module.fit_files_with_evenly(folder, threads), evenly.answer),
    }
    if scaler := getattr(module, "fit_files_scaler", lambda *_: None)(folder, threads):
        systems[module.SCALER] = (scaler, module.answer_scaler)
    entries = [Entry(name, work) for name, (work, _) in systems.items()]
    return entries, {name: answer for name, (_, answer) in systems.items()}


def _errors(found, exact):
    """How far from exact, at most: the mean in standard deviations, the variance relatively."""
    (mean, variance), (exact_mean, exact_variance) = found, exact
    off = abs(mean - exact_mean) / np.sqrt(exact_variance), abs(variance / exact_variance - 1)
    return float(off[0].max()), float(off[1].max())


def show(records):
    columns = ["", "engine", "system", "seconds", "GB/s", "× evenly alone", "mean off", "var off"]
    rows = [row for record in records for row in _rows(record)]
    note = (
        "GB/s in memory terms; × evenly alone: its time in evenly's alone; mean off: largest error "
        f"in standard deviations; var off: largest relative error. Of {ParquetFolder.__doc__}"
    )
    return [table.plain(TITLE, columns, rows, note)]


def _rows(record):
    times = table.seconds(record)
    for name, seconds in times.items():
        off = record["races"][0]["errors"][name]
        figures = [f"{seconds:.3f}", f"{record['nbytes'] / seconds / 1e9:.2f}"]
        figures += [f"{seconds / times['evenly alone']:.1f}", *(f"{error:.0e}" for error in off)]
        yield [record["label"], record["engine"], name, *figures]
