"""Normalize float32 rows into allocated memory, compared with copying them."""

import numpy as np

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import bandwidth, evenly
from benchmarks.timing import Candidate
from benchmarks.workloads import Table, shapes

TITLE = "Normalize float32 rows"


def cases(size):
    return [{"rows": rows, "columns": columns} for rows, columns in shapes(size)]


def run(rows, columns, threads, rounds):
    workload = Table(rows, columns, "float32")
    x = workload.make()
    out = np.zeros_like(x)
    timings = compare(
        "normalize",
        (x, out),
        own=lambda: own(x, out, threads),
        threads=threads,
        rounds=rounds,
    )
    return {"label": workload.label, "nbytes": workload.nbytes, "timings": timings}


def own(x, out, threads):
    return [
        Candidate("copy 1", bandwidth.copy(x, out, 1)),
        Candidate("copy", bandwidth.copy(x, out, threads)),
        Candidate("evenly 1", evenly.normalize(x, out, 1)),
        Candidate("evenly", evenly.normalize(x, out, threads)),
    ]


def show(records):
    return [table.speeds(TITLE, records, "copy", ["scikit-learn", "numpy", "torch"])]
