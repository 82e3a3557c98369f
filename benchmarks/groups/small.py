"""What little things cost: one small batch, the state of one column, merging, saving."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import table
from benchmarks.compare import entries, runtime
from benchmarks.peak import high_water
from benchmarks.peers import evenly
from benchmarks.race import best_of_medians, clock
from benchmarks.workloads import Table

TITLE = "Small things, and many of them"
BATCH = Table(32, 16, "float32")
WIDE = {"full": 1_000_000, "quick": 100_000, "tiny": 100}
MANY = {"full": 10_000, "quick": 1_000, "tiny": 10}


def cases(size):
    seconds = 0.01 if size == "tiny" else 0.2
    return [
        {"question": "update", "number": 0, "seconds": seconds},
        {"question": "wide", "number": WIDE[size], "seconds": seconds},
        {"question": "many", "number": MANY[size], "seconds": seconds},
    ]


def run(question, number, seconds, threads, rounds):
    if question == "update":
        figures = update(rounds, seconds)
    else:
        figures = {"wide": wide, "many": many}[question](number, rounds)
    return {"figures": figures, "runtime": runtime()}


def update(rounds, seconds):
    """Microseconds for a batch of 32×16, with torch's tensor at last."""
    batch = BATCH.make()
    figures = []

    def note(name, work):
        took = best_of_medians(work, seconds=seconds, rounds=rounds)
        figures.append((f"update, float32 32×16: {name}", took * 1e6, "µs"))

    note("evenly", evenly.update(batch))
    for entry in entries(("numpy", "scikit-learn", "torch"), "update", (batch,)):
        note(entry.name, entry.work)
        if entry.name == "torch":
            note(f"evenly, beside torch ({runtime()})", evenly.update(batch))
    return figures


def wide(columns, rounds):
    """A state of many columns: its bytes, merging, saving, loading."""
    from evenly import Moments, load

    x = Table(64, columns, "float32").make()
    one = Moments.empty(columns)
    before = high_water()
    one.update(x)
    held = high_water() - before
    two = Moments.empty(columns).update(x)
    label = f"{columns:,} columns"
    figures = [
        (f"{label}: state, a column", one._state.nbytes / columns, "bytes"),
        (f"{label}: process's growth in the first update, a column", held / columns, "bytes"),
        (f"{label}: update with 64 rows", _median(lambda: one.update(x), rounds), "s"),
        (f"{label}: one + another", _median(lambda: one + two, rounds), "s"),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder, "wide.json")
        figures += [
            (f"{label}: save", clock(lambda: one.save(path)), "s"),
            (f"{label}: file, a column", path.stat().st_size / columns, "bytes"),
            (f"{label}: load", clock(lambda: load(path)), "s"),
            (f"{label}: mean and std", clock(lambda: (one.mean, one.std())), "s"),
        ]
        assert load(path) == one
    return figures


def many(states, rounds):
    """Many states of a hundred columns into one."""
    from evenly import Moments, merge

    rng = np.random.default_rng(0)
    parts = [Moments.empty(100).update(rng.standard_normal((8, 100))) for _ in range(states)]
    label = f"{states:,} states of 100 columns"
    return [
        (f"{label}: merge", _median(lambda: merge(parts), rounds), "s"),
        (f"{label}: sum()", _median(lambda: sum(parts), min(rounds, 3)), "s"),
    ]


def _median(work, rounds):
    work()
    return median(clock(work) for _ in range(rounds))


def show(records):
    rows = [
        [name, f"{value:.3g}" if value < 1000 else f"{value:,.0f}", unit]
        for record in records
        for name, value, unit in record["figures"]
    ]
    return [table.plain(TITLE, ["", "", "unit"], rows)]
