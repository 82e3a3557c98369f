"""The input layer: Normalize beside ``(x - mean) / std`` in torch, and a copy.

Frozen, it does the same work; while it learns, every batch is also added to its exact statistics,
for which torch has nothing.
"""

from benchmarks import table
from benchmarks.activations import Activations
from benchmarks.compare import runtime
from benchmarks.passes import LEAST, contest, copies
from benchmarks.peers import installed, peer
from benchmarks.race import Entry

TITLE = "The input layer, float32"
SHAPES = {
    "full": ((100, 10), (1024, 1024), (65536, 64), (32, 3, 224, 224)),
    "quick": ((100, 10), (1024, 1024)),
    "tiny": ((6, 4), (4, 2, 3, 3)),
}


def cases(size):
    if not installed("torch"):
        return []
    return [{"shape": shape, "least": LEAST[size]} for shape in SHAPES[size]]


def run(shape, least, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    work = Activations(tuple(shape))
    x, dy = work.make()
    layers = {
        "torch": peer("torch").input_layer(x),
        "evenly": peer("evenly").input_layer(x),
        "learning": peer("evenly").learning_layer(x),
    }
    entries = [_entry(name, layer, x) for name, layer in layers.items()]
    with torch.no_grad():
        found = contest([*entries, copies("eval forward", x, dy)], least, rounds)
    return {"label": work.label, "runtime": runtime(), "contest": found}


def _entry(name, layer, x):
    return Entry(name, lambda: layer(x))


def show(records):
    columns = ["", "torch µs", "frozen µs", "× torch", "/ copy", "learning µs", "/ copy", "differs"]
    note = (
        "× torch: times as fast as (x - mean) / std. / copy: its time over that of copying the "
        "batch, by torch, into memory that is there. evenly's threads: "
        f"{', '.join(sorted({record['runtime'] for record in records}))}."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    took = table.of_one_call(record["contest"])
    row = [record["label"], *(f"{took[name] * 1e6:,.0f}" for name in ("torch", "evenly"))]
    row += [f"{took['torch'] / took['evenly']:.2f}", f"{took['evenly'] / took['copies']:.2f}"]
    row += [f"{took['learning'] * 1e6:,.0f}", f"{took['learning'] / took['copies']:.2f}"]
    differs = max(record["contest"]["differences"].values())
    return [*row, f"{differs:.0e}"]
