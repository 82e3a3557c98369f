"""scikit-learn's estimator and ours: the same calls on the same rows, and the memory of a fit."""

from importlib import import_module

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.race import Entry, race, warm_up
from benchmarks.scaler_peak import peak_of
from benchmarks.workloads import SEED, Table

TITLE = "StandardScaler: scikit-learn's and ours"
SHAPES = {"full": (1_000_000, 64), "quick": (100_000, 64), "tiny": (500, 3)}
DTYPES = "float32", "float64", "uint8"
MODULES = {"scikit-learn": "sklearn.preprocessing", "evenly": "evenly.sklearn"}
BATCHES = 20


def cases(size):
    rows, columns = SHAPES[size]
    return [{"rows": rows, "columns": columns, "dtype": dtype} for dtype in DTYPES]


def run(rows, columns, dtype, threads, rounds):
    work = Table(rows, columns, dtype)
    x = make(work)
    calls = {name: works(import_module(module), x) for name, module in MODULES.items()}
    contests = {verb: contest(verb, calls, rounds) for verb in calls["evenly"]}
    peaks = {name: peak_of(module, rows, columns, dtype) for name, module in MODULES.items()}
    record = {"label": work.label, "nbytes": work.nbytes, "contests": contests, "peaks": peaks}
    return record | {"kernel": kernel(), "runtime": runtime()}


def make(work):
    if work.dtype != "uint8":
        return work.make()
    return np.random.default_rng(SEED).integers(0, 256, (work.rows, work.columns), np.uint8)


def works(module, x):
    """The calls to be timed, by name."""
    fitted = module.StandardScaler().fit(x)
    weights = np.random.default_rng(SEED).uniform(size=len(x))
    scaled = fitted.transform(x)
    return {
        "fit": lambda: module.StandardScaler().fit(x).mean_,
        "fit with weights": lambda: module.StandardScaler().fit(x, sample_weight=weights).mean_,
        f"partial_fit in {BATCHES}": lambda: by_batches(module.StandardScaler(), x),
        "transform": lambda: fitted.transform(x),
        "inverse_transform": lambda: fitted.inverse_transform(scaled),
    }


def by_batches(scaler, x):
    for part in np.array_split(x, BATCHES):
        scaler.partial_fit(part)
    return scaler.mean_


def contest(verb, calls, rounds):
    entries = [Entry(name, some[verb]) for name, some in calls.items()]
    first, second = warm_up(entries).values()
    difference = float(np.abs(first - second, dtype=np.float64).max())
    return {"seconds": race(entries, rounds), "difference": difference}


def show(records):
    columns = ["", "call", *(f"{name}, ms" for name in MODULES), "× scikit-learn", "difference"]
    rows = [row for record in records for row in _rows(record)]
    runtimes = {record["runtime"] for record in records}
    note = f"Medians. evenly's threads: {', '.join(sorted(runtimes))}."
    return [table.plain(TITLE, columns, rows, note), _memory(records)]


def _rows(record):
    for verb, found in record["contests"].items():
        times = table.seconds({"races": [found]})
        cells = [f"{times[name] * 1e3:.1f}" for name in MODULES]
        ratio = f"{times['scikit-learn'] / times['evenly']:.1f}"
        yield [record["label"], verb, *cells, ratio, f"{found['difference']:.0e}"]


def _memory(records):
    columns = ["what a fit adds to the peak", "MB of data", *(f"{name}, MB" for name in MODULES)]
    rows = [
        [record["label"], f"{record['nbytes'] / 1e6:.0f}"]
        + [f"{record['peaks'][name] / 1e6:.1f}" for name in MODULES]
        for record in records
    ]
    return table.plain("", columns, rows, "Each in a fresh process, after a fit of one row.")
