"""Time compiled batch normalization with ReLU: evenly's layer against torch's, both compiled.

In training, evenly's kernels are operators in the graph, and the compiler fuses torch's layer with
the activation. In evaluation both are elementwise operations, which the compiler fuses.
"""

from benchmarks import table
from benchmarks.activations import CHANNELS_LAST, Activations
from benchmarks.compare import runtime
from benchmarks.layer_passes import MIN_SECONDS, PASSES, compare_layers, pass_candidate
from benchmarks.peers import installed, peer

TITLE = "Compiled batch normalization and ReLU"
SHAPES = {
    "full": ((100, 10), (256, 128), (2048, 512), (32, 64, 28, 28), (32, 256, 14, 14)),
    "quick": ((256, 128), (32, 64, 28, 28)),
    "tiny": ((6, 4),),
}
BACKENDS = {"full": "inductor", "quick": "inductor", "tiny": "aot_eager"}
"""The smallest size only runs the graphs: inductor compiles C++ for about ten seconds per case."""


def cases(size):
    if not installed("torch"):
        return []
    options = {"backend": BACKENDS[size], "min_seconds": MIN_SECONDS[size]}
    return [
        {"shape": shape, "layout": layout, **options}
        for shape in SHAPES[size]
        for layout in ("contiguous", CHANNELS_LAST)
        if layout != CHANNELS_LAST or len(shape) == 4
    ]


def run(shape, layout, backend, min_seconds, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    torch.compiler.reset()
    workload = Activations(tuple(shape), layout=layout)
    batch = workload.make()
    timed = {}
    for pass_name in PASSES:
        with torch.set_grad_enabled(pass_name != "eval forward"):
            layers = {name: _compiled(name, workload, backend) for name in ("torch", "evenly")}
            systems = [pass_candidate(n, layer, pass_name, *batch) for n, layer in layers.items()]
            timed[pass_name] = compare_layers(systems, min_seconds, rounds)
    return {"label": workload.label, "runtime": runtime(), "passes": timed}


def _compiled(name, workload, backend):
    """Return a system's layer followed by ReLU, compiled into one graph."""
    import torch

    layer = peer(name).batch_norm(workload.dimensions, workload.channels)
    network = torch.nn.Sequential(layer, torch.nn.ReLU())
    return torch.compile(network, fullgraph=True, backend=backend)


def show(records):
    columns = ["", "layout", "pass", "torch µs", "evenly µs", "× torch", "difference"]
    rows = [_row(record, name) for record in records for name in PASSES]
    note = (
        "× torch: speed relative to torch's compiled layer. difference: the largest difference "
        "from torch's output and gradients, relative to each tensor's largest value. evenly's "
        f"threads: {', '.join(sorted({record['runtime'] for record in records}))}."
    )
    return [table.plain(TITLE, columns, rows, note)]


def _row(record, pass_name):
    comparison = record["passes"][pass_name]
    seconds = table.seconds_per_call(comparison)
    row = [record["label"], record["layout"], pass_name]
    row += [f"{seconds[name] * 1e6:,.0f}" for name in ("torch", "evenly")]
    row += [f"{seconds['torch'] / seconds['evenly']:.2f}"]
    return [*row, f"{comparison['differences']['evenly']:.0e}"]
