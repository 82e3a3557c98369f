"""Mean and variance of rows in memory: how near to reading them?"""

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import evenly, installed, limits
from benchmarks.race import Entry
from benchmarks.workloads import Table, shapes

TITLE = "Fit rows in memory"


def cases(size):
    return [
        {"rows": rows, "columns": columns, "dtype": dtype}
        for dtype in ("float32", "float64")
        for rows, columns in shapes(size)
    ]


def run(rows, columns, dtype, threads, rounds):
    work = Table(rows, columns, dtype)
    x = work.make()
    races = compare("fit", (x,), ours=lambda: ours(x, threads), threads=threads, rounds=rounds)
    return {"label": work.label, "nbytes": work.nbytes, "races": races}


def ours(x, threads):
    entries = [
        Entry("read 1", limits.read(x, 1)),
        Entry("read", limits.read(x, threads)),
        Entry("evenly 1", evenly.fit(x, 1)),
        Entry("evenly", evenly.fit(x, threads)),
        Entry("evenly, read out", evenly.fit_and_read(x, threads)),
    ]
    if installed("polars"):
        entries.append(Entry("evenly, frame", evenly.fit_frame(x, threads)))
    return entries


def show(records):
    peers = ["scikit-learn", "numpy", "polars", "duckdb", "torch"]
    return [
        table.speeds(TITLE, records, "read", peers, ["evenly, read out", "evenly, frame"]),
        table.errors(records, peers),
    ]
