"""Fit by group, from few large groups to very many small ones."""

from benchmarks import table
from benchmarks.compare import errors_of, kernel, peer_candidates, runtime
from benchmarks.peers import evenly
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import Groups, groups

TITLE = "Fit by group"
PEERS = "polars", "pandas"


def cases(size):
    return [{"rows": w.rows, "number": w.number, "offset": w.offset} for w in groups(size)]


def run(rows, number, offset, threads, rounds):
    workload = Groups(rows, number, offset)
    x, keys = workload.make()
    candidates = [Candidate("evenly", evenly.fit_groups(x, keys, threads))]
    candidates += peer_candidates(PEERS, "fit_groups", (x, keys, threads))
    errors = errors_of(warm_up(candidates))
    timing = {"seconds": time_interleaved(candidates, rounds), "errors": errors}
    timing |= {"kernel": kernel(), "runtime": runtime()}
    return {"label": workload.label, "nbytes": workload.nbytes, "timings": [timing]}


def show(records):
    columns = ["", "GB", "evenly s", *(f"{peer} s" for peer in PEERS)]
    columns += [f"× {peer}" for peer in PEERS]
    note = "Seconds, from a frame of polars or pandas; × peer: speed relative to it."
    return [
        table.plain(TITLE, columns, [_row(record) for record in records], note),
        table.errors(records, PEERS),
    ]


def _row(record):
    times = table.seconds(record)
    seconds = [f"{times[name]:.3f}" if name in times else table.MISSING for name in PEERS]
    return [
        record["label"],
        f"{record['nbytes'] / 1e9:.2f}",
        f"{times['evenly']:.3f}",
        *seconds,
        *table.ratios(times, PEERS),
    ]
