"""Fit rows in memory, compared with reading them."""

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import bandwidth, evenly, installed
from benchmarks.timing import Candidate
from benchmarks.workloads import Table, shapes

TITLE = "Fit rows in memory"


def cases(size):
    return [
        {"rows": rows, "columns": columns, "dtype": dtype}
        for dtype in ("float32", "float64")
        for rows, columns in shapes(size)
    ]


def run(rows, columns, dtype, threads, rounds):
    workload = Table(rows, columns, dtype)
    x = workload.make()
    timings = compare("fit", (x,), own=lambda: own(x, threads), threads=threads, rounds=rounds)
    return {"label": workload.label, "nbytes": workload.nbytes, "timings": timings}


def own(x, threads):
    candidates = [
        Candidate("read 1", bandwidth.read(x, 1)),
        Candidate("read", bandwidth.read(x, threads)),
        Candidate("evenly 1", evenly.fit(x, 1)),
        Candidate("evenly", evenly.fit(x, threads)),
        Candidate("evenly, with results", evenly.fit_with_results(x, threads)),
    ]
    if installed("polars"):
        candidates.append(Candidate("evenly, frame", evenly.fit_frame(x, threads)))
    return candidates


def show(records):
    peers = ["scikit-learn", "numpy", "polars", "duckdb", "torch"]
    return [
        table.speeds(TITLE, records, "read", peers, ["evenly, with results", "evenly, frame"]),
        table.errors(records, peers),
    ]
