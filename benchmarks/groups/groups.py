"""Mean and variance of every column by group: few large groups, and very many small ones."""

from benchmarks import table
from benchmarks.compare import entries, errors_of, kernel, runtime
from benchmarks.peers import evenly
from benchmarks.race import Entry, race, warm_up
from benchmarks.workloads import Groups, groups

TITLE = "Fit by group"
PEERS = "polars", "pandas"


def cases(size):
    return [
        {"rows": work.rows, "number": work.number, "offset": work.offset} for work in groups(size)
    ]


def run(rows, number, offset, threads, rounds):
    work = Groups(rows, number, offset)
    x, keys = work.make()
    racers = [Entry("evenly", evenly.fit_groups(x, keys, threads))]
    racers += entries(PEERS, "fit_groups", (x, keys, threads))
    errors = errors_of(warm_up(racers))
    record = {"seconds": race(racers, rounds), "errors": errors}
    record |= {"kernel": kernel(), "runtime": runtime()}
    return {"label": work.label, "nbytes": work.nbytes, "races": [record]}


def show(records):
    columns = ["", "GB", "evenly s", *(f"{peer} s" for peer in PEERS)]
    columns += [f"× {peer}" for peer in PEERS]
    note = "Seconds, from a frame of polars or pandas; × peer: times as fast."
    return [
        table.plain(TITLE, columns, [_row(record) for record in records], note),
        table.errors(records, PEERS),
    ]


def _row(record):
    times = table.seconds(record)
    found = [f"{times[name]:.3f}" if name in times else table.MISSING for name in PEERS]
    ratios = [f"{times[p] / times['evenly']:.1f}" if p in times else table.MISSING for p in PEERS]
    return [
        record["label"],
        f"{record['nbytes'] / 1e9:.2f}",
        f"{times['evenly']:.3f}",
        *found,
        *ratios,
    ]
