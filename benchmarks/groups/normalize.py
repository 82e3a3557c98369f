"""Normalise float32 rows into memory that is there: how near to copying them?"""

import numpy as np

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import evenly, limits
from benchmarks.race import Entry
from benchmarks.workloads import Table, shapes

TITLE = "Normalise float32 rows"


def cases(size):
    return [{"rows": rows, "columns": columns} for rows, columns in shapes(size)]


def run(rows, columns, threads, rounds):
    work = Table(rows, columns, "float32")
    x = work.make()
    out = np.zeros_like(x)
    races = compare(
        "normalize",
        (x, out),
        ours=lambda: ours(x, out, threads),
        threads=threads,
        rounds=rounds,
    )
    return {"label": work.label, "nbytes": work.nbytes, "races": races}


def ours(x, out, threads):
    return [
        Entry("copy 1", limits.copy(x, out, 1)),
        Entry("copy", limits.copy(x, out, threads)),
        Entry("evenly 1", evenly.normalize(x, out, 1)),
        Entry("evenly", evenly.normalize(x, out, threads)),
    ]


def show(records):
    return [table.speeds(TITLE, records, "copy", ["scikit-learn", "numpy", "torch"])]
