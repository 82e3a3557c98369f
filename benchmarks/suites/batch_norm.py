"""Time batch normalization alone, compared with torch's layers and with copying.

Every pass is timed twice: torch's layer, evenly's, copies and an identity layer; then torch's
compiled layer together with both. All run in one process and share torch's threads. Parameters
are float32, as they are under autocast, where the batch may be bfloat16. On an accelerator
(``--device``) evenly's layer with ``exact=True`` is timed too. It has not run on one yet.
"""

from benchmarks import torch_report
from benchmarks.activations import CHANNELS_LAST, LAYOUTS, Activations
from benchmarks.compare import runtime
from benchmarks.environment import cache
from benchmarks.layer_passes import (
    MIN_SECONDS,
    PASSES,
    compare_layers,
    copies,
    identity_layer,
    max_relative_error,
    pass_candidate,
)
from benchmarks.peers import installed, peer

TITLE = "Batch normalization"
HAS_DEVICES = True
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
"""Compiling takes about ten seconds per case, so only the full size compiles all of them."""


def cases(size):
    if not installed("torch"):
        return []
    return [
        {
            "shape": shape,
            "dtype": dtype,
            "layout": layout,
            "compiled": shape in COMPILED[size],
            "min_seconds": MIN_SECONDS[size],
        }
        for dtype in ("float32", "bfloat16")
        for shape in SHAPES[size]
        for layout in LAYOUTS
        if layout != CHANNELS_LAST or len(shape) == 4
    ]


def run(shape, dtype, layout, compiled, min_seconds, threads, rounds, device="cpu"):
    import torch

    torch.set_num_threads(threads)
    workload = Activations(tuple(shape), dtype, layout)
    batch = tuple(tensor.to(device) for tensor in workload.make())
    timed = {}
    for pass_name in PASSES:
        with torch.set_grad_enabled(pass_name != "eval forward"):
            timing = {"min_seconds": min_seconds, "rounds": rounds, "device": device}
            timed[pass_name] = _time_pass(workload, batch, pass_name, compiled, timing)
    return {
        "label": workload.label,
        "nbytes": workload.nbytes,
        "cache": cache(),
        "channel_bytes": workload.channel_bytes,
        "core_cache": cache(level=2),
        "runtime": runtime(),
        "passes": timed,
    }


def _time_pass(workload, batch, pass_name, compiled, timing):
    """Time a pass with the baselines, then with the compiled layer."""
    device = timing["device"]
    layers = _layers(workload, batch[0], device)
    systems = [pass_candidate(name, layer, pass_name, *batch) for name, layer in layers.items()]
    baselines = [make(pass_name, *batch) for make in (copies, identity_layer)]
    comparisons = [compare_layers([*systems, *baselines], **timing)]
    running = (tuple(layers[name].buffers()) for name in ("evenly", "torch"))
    comparisons[0]["differences"]["evenly, running"] = max_relative_error(*running)
    if compiled:
        layer = peer("torch").compiled(_layers(workload, batch[0], device)["torch"])
        candidate = pass_candidate("compiled", layer, pass_name, *batch)
        comparisons.append(compare_layers([*systems, candidate], **timing))
    return comparisons


def _layers(workload, x, device):
    """Return each system's layer, with the same parameters and running statistics."""
    import torch

    layers = {
        name: peer(name).batch_norm(workload.dimensions, workload.channels)
        for name in ("torch", "evenly")
    }
    torch.manual_seed(0)
    for parameter in layers["torch"].parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.5)
    if device != "cpu":
        layers["evenly, exact"] = peer("evenly").batch_norm(
            workload.dimensions, workload.channels, exact=True
        )
    layers = {name: layer.to(device) for name, layer in layers.items()}
    layers["torch"](x)
    for layer in layers.values():
        layer.load_state_dict(layers["torch"].state_dict())
    return layers


def show(records):
    return torch_report.tables(TITLE, records)
