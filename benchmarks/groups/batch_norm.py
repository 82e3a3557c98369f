"""Batch normalisation alone: how near to copying, and how far from torch's?

Every pass is raced twice: torch's layer, evenly's, the copies and a layer that gives its input
back; then torch's layer compiled beside both. All are in one process and share torch's threads.
Parameters are float32, as they are under autocast, where the batch may be bfloat16.
"""

from benchmarks import standings
from benchmarks.activations import CHANNELS_LAST, LAYOUTS, Activations
from benchmarks.compare import runtime
from benchmarks.machine import cache
from benchmarks.passes import LEAST, PASSES, bare, contest, copies, difference, entry
from benchmarks.peers import installed, peer

TITLE = "Batch normalisation"
SHAPES = {
    "full": (
        (100, 10),
        (128, 256),
        (1024, 1024),
        (65536, 64),
        (32, 128, 1000),
        (32, 64, 56, 56),
        (32, 256, 14, 14),
        (8, 2048, 7, 7),
    ),
    "quick": ((100, 10), (1024, 1024), (32, 256, 14, 14)),
    "tiny": ((6, 4), (4, 2, 3, 3)),
}
COMPILED = {"full": SHAPES["full"], "quick": ((100, 10),), "tiny": ()}
"""A compilation takes some ten seconds, so that only the full size has all."""


def cases(size):
    if not installed("torch"):
        return []
    return [
        {
            "shape": shape,
            "dtype": dtype,
            "layout": layout,
            "compiled": shape in COMPILED[size],
            "least": LEAST[size],
        }
        for dtype in ("float32", "bfloat16")
        for shape in SHAPES[size]
        for layout in LAYOUTS
        if layout != CHANNELS_LAST or len(shape) == 4
    ]


def run(shape, dtype, layout, compiled, least, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    work = Activations(tuple(shape), dtype, layout)
    batch = work.make()
    raced = {}
    for which in PASSES:
        with torch.set_grad_enabled(which != "eval forward"):
            raced[which] = _races(work, batch, which, compiled, least, rounds)
    return {
        "label": work.label,
        "nbytes": work.nbytes,
        "cache": cache(),
        "strip": work.strip,
        "core_cache": cache(level=2),
        "runtime": runtime(),
        "passes": raced,
    }


def _races(work, batch, which, compiled, least, rounds):
    """A pass's races: beside the copies, then beside the compiled layer."""
    layers = _layers(work, batch[0])
    works = [entry(name, layer, which, *batch) for name, layer in layers.items()]
    limits = [limit(which, *batch) for limit in (copies, bare)]
    races = [contest([*works, *limits], least, rounds)]
    running = (tuple(layers[name].buffers()) for name in ("evenly", "torch"))
    races[0]["differences"]["evenly, running"] = difference(*running)
    if compiled:
        layer = peer("torch").compiled(_layers(work, batch[0])["torch"])
        races.append(contest([*works, entry("compiled", layer, which, *batch)], least, rounds))
    return races


def _layers(work, x):
    """The systems' layers, with the same parameters, and statistics that have seen the batch."""
    import torch

    layers = {
        name: peer(name).batch_norm(work.dimensions, work.channels) for name in ("torch", "evenly")
    }
    torch.manual_seed(0)
    for parameter in layers["torch"].parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.5)
    layers["torch"](x)
    layers["evenly"].load_state_dict(layers["torch"].state_dict())
    return layers


def show(records):
    return standings.tables(TITLE, records)
