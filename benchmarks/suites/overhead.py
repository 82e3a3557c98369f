"""Measure small operations: one small batch, the state of one column, merging, saving."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import table
from benchmarks.compare import peer_candidates, runtime
from benchmarks.peak_memory import max_rss
from benchmarks.peers import evenly
from benchmarks.timing import best_of_medians, time_once
from benchmarks.workloads import Table

TITLE = "Small operations"
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
    """Time an update with a batch of 32×16 values, before and after torch is loaded."""
    batch = BATCH.make()
    figures = []

    def measure(name, function):
        best = best_of_medians(function, seconds=seconds, rounds=rounds)
        figures.append((f"update, float32 32×16: {name}", best * 1e6, "µs"))

    measure("evenly", evenly.update(batch))
    for candidate in peer_candidates(("numpy", "scikit-learn", "torch"), "update", (batch,)):
        measure(candidate.name, candidate.function)
        if candidate.name == "torch":
            measure(f"evenly, with torch loaded ({runtime()})", evenly.update(batch))
    return figures


def wide(columns, rounds):
    """Measure a state of many columns: its bytes, merging, saving and loading."""
    from evenly import Moments, load

    x = Table(64, columns, "float32").make()
    one = Moments.empty(columns)
    before = max_rss()
    one.update(x)
    growth = max_rss() - before
    two = Moments.empty(columns).update(x)
    label = f"{columns:,} columns"
    figures = [
        (f"{label}: state, per column", one._state.nbytes / columns, "bytes"),
        (
            f"{label}: growth of the process by the first update, per column",
            growth / columns,
            "bytes",
        ),
        (f"{label}: update with 64 rows", _median(lambda: one.update(x), rounds), "s"),
        (f"{label}: one + another", _median(lambda: one + two, rounds), "s"),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder, "wide.json")
        figures += [
            (f"{label}: save", time_once(lambda: one.save(path)), "s"),
            (f"{label}: file, per column", path.stat().st_size / columns, "bytes"),
            (f"{label}: load", time_once(lambda: load(path)), "s"),
            (f"{label}: mean and std", time_once(lambda: (one.mean, one.std())), "s"),
        ]
        assert load(path) == one
    return figures


def many(states, rounds):
    """Time merging many states of a hundred columns."""
    from evenly import Moments, merge

    rng = np.random.default_rng(0)
    moments = [Moments.empty(100).update(rng.standard_normal((8, 100))) for _ in range(states)]
    label = f"{states:,} states of 100 columns"
    return [
        (f"{label}: merge", _median(lambda: merge(moments), rounds), "s"),
        (f"{label}: sum()", _median(lambda: sum(moments), min(rounds, 3)), "s"),
    ]


def _median(function, rounds):
    function()
    return median(time_once(function) for _ in range(rounds))


def show(records):
    rows = [
        [name, f"{value:.3g}" if value < 1000 else f"{value:,.0f}", unit]
        for record in records
        for name, value, unit in record["figures"]
    ]
    return [table.plain(TITLE, ["", "", "unit"], rows)]
