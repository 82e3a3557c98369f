"""Compare the StandardScaler of scikit-learn and evenly: every call, and the memory of a fit."""

from importlib import import_module

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.scaler_peak_memory import peak_of
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import SEED, Table

TITLE = "StandardScaler: scikit-learn's and evenly's"
SHAPES = {"full": (1_000_000, 64), "quick": (100_000, 64), "tiny": (500, 3)}
DTYPES = "float32", "float64", "uint8"
MODULES = {"scikit-learn": "sklearn.preprocessing", "evenly": "evenly.sklearn"}
BATCHES = 20


def cases(size):
    rows, columns = SHAPES[size]
    return [{"rows": rows, "columns": columns, "dtype": dtype} for dtype in DTYPES]


def run(rows, columns, dtype, threads, rounds):
    workload = Table(rows, columns, dtype)
    x = make(workload)
    calls = {name: functions(import_module(module), x) for name, module in MODULES.items()}
    comparisons = {verb: compare_calls(verb, calls, rounds) for verb in calls["evenly"]}
    peaks = {name: peak_of(module, rows, columns, dtype) for name, module in MODULES.items()}
    record = {"label": workload.label, "nbytes": workload.nbytes, "peaks": peaks}
    record |= {"comparisons": comparisons}
    return record | {"kernel": kernel(), "runtime": runtime()}


def make(workload):
    if workload.dtype != "uint8":
        return workload.make()
    return np.random.default_rng(SEED).integers(0, 256, (workload.rows, workload.columns), np.uint8)


def functions(module, x):
    """Return the calls to time, by name."""
    fitted = module.StandardScaler().fit(x)
    weights = np.random.default_rng(SEED).uniform(size=len(x))
    scaled = fitted.transform(x)
    return {
        "fit": lambda: module.StandardScaler().fit(x).mean_,
        "fit with weights": lambda: module.StandardScaler().fit(x, sample_weight=weights).mean_,
        f"partial_fit in {BATCHES}": lambda: partial_fit(module.StandardScaler(), x),
        "transform": lambda: fitted.transform(x),
        "inverse_transform": lambda: fitted.inverse_transform(scaled),
    }


def partial_fit(scaler, x):
    for batch in np.array_split(x, BATCHES):
        scaler.partial_fit(batch)
    return scaler.mean_


def compare_calls(verb, calls, rounds):
    candidates = [Candidate(name, functions[verb]) for name, functions in calls.items()]
    first, second = warm_up(candidates).values()
    difference = float(np.abs(first - second, dtype=np.float64).max())
    return {"seconds": time_interleaved(candidates, rounds), "difference": difference}


def show(records):
    columns = ["", "call", *(f"{name}, ms" for name in MODULES), "× scikit-learn", "difference"]
    rows = [row for record in records for row in _rows(record)]
    runtimes = {record["runtime"] for record in records}
    note = f"Medians. evenly's threads: {', '.join(sorted(runtimes))}."
    return [table.plain(TITLE, columns, rows, note), _memory(records)]


def _rows(record):
    for verb, comparison in record["comparisons"].items():
        times = table.medians(comparison)
        cells = [f"{times[name] * 1e3:.1f}" for name in MODULES]
        ratio = f"{times['scikit-learn'] / times['evenly']:.1f}"
        yield [record["label"], verb, *cells, ratio, f"{comparison['difference']:.0e}"]


def _memory(records):
    columns = ["peak memory added by a fit", "MB of data", *(f"{name}, MB" for name in MODULES)]
    rows = [
        [record["label"], f"{record['nbytes'] / 1e6:.0f}"]
        + [f"{record['peaks'][name] / 1e6:.1f}" for name in MODULES]
        for record in records
    ]
    return table.plain("", columns, rows, "Each in a new process, after a fit of one row.")
