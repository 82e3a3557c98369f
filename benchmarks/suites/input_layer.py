"""Compare the input layer Normalize with ``(x - mean) / std`` in torch and with a copy.

A frozen layer does the same work. A learning one also adds every batch to its exact statistics,
which torch does not offer.
"""

from benchmarks import table
from benchmarks.activations import Activations
from benchmarks.compare import runtime
from benchmarks.layer_passes import MIN_SECONDS, compare_layers, copies
from benchmarks.peers import installed, peer
from benchmarks.timing import Candidate

TITLE = "The input layer, float32"
SHAPES = {
    "full": ((100, 10), (1024, 1024), (65536, 64), (32, 3, 224, 224)),
    "quick": ((100, 10), (1024, 1024)),
    "tiny": ((6, 4), (4, 2, 3, 3)),
}


def cases(size):
    if not installed("torch"):
        return []
    return [{"shape": shape, "min_seconds": MIN_SECONDS[size]} for shape in SHAPES[size]]


def run(shape, min_seconds, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    workload = Activations(tuple(shape))
    x, dy = workload.make()
    layers = {
        "torch": peer("torch").input_layer(x),
        "evenly": peer("evenly").input_layer(x),
        "learning": peer("evenly").learning_layer(x),
    }
    candidates = [_candidate(name, layer, x) for name, layer in layers.items()]
    with torch.no_grad():
        candidates.append(copies("eval forward", x, dy))
        comparison = compare_layers(candidates, min_seconds, rounds)
    return {"label": workload.label, "runtime": runtime(), "comparison": comparison}


def _candidate(name, layer, x):
    return Candidate(name, lambda: layer(x))


def show(records):
    columns = ["", "torch µs", "frozen µs", "× torch", "/ copy", "learning µs", "/ copy"]
    columns += ["difference"]
    note = (
        "× torch: speed relative to (x - mean) / std. / copy: time relative to copying the batch, "
        "by torch, into allocated memory. evenly's threads: "
        f"{', '.join(sorted({record['runtime'] for record in records}))}."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    seconds = table.seconds_per_call(record["comparison"])
    row = [record["label"], *(f"{seconds[name] * 1e6:,.0f}" for name in ("torch", "evenly"))]
    row += [
        f"{seconds['torch'] / seconds['evenly']:.2f}",
        f"{seconds['evenly'] / seconds['copies']:.2f}",
    ]
    row += [f"{seconds['learning'] * 1e6:,.0f}", f"{seconds['learning'] / seconds['copies']:.2f}"]
    difference = max(record["comparison"]["differences"].values())
    return [*row, f"{difference:.0e}"]
