"""Time a training step of a network with batch normalization.

The network also contains torch's convolutions, activations and matrix products, whose OpenMP
workers still spin when evenly's layer starts. The same network is timed with torch's layers, with
evenly's, and without batch norm, which gives the cost of the layers.
"""

from benchmarks import table
from benchmarks.activations import Activations
from benchmarks.compare import runtime
from benchmarks.layer_passes import MIN_SECONDS, compare_layers
from benchmarks.peers import installed, peer
from benchmarks.timing import Candidate

TITLE = "Batch normalization in a network, forward+backward"
CLASSES = 10
WIDTHS = {"full": (64, 128), "quick": (16, 32), "tiny": (2, 3)}
BATCHES = {
    "full": ((32, 3, 56, 56), (32, 3, 28, 28), (4096, 20)),
    "quick": ((8, 3, 28, 28), (256, 20)),
    "tiny": ((4, 3, 8, 8), (4, 5)),
}


def cases(size):
    if not installed("torch"):
        return []
    options = {"widths": WIDTHS[size], "min_seconds": MIN_SECONDS[size]}
    return [{"shape": shape, **options} for shape in BATCHES[size]]


def run(shape, widths, min_seconds, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    batch = Activations(tuple(shape))
    x, _ = batch.make()
    target = torch.arange(len(x)) % CLASSES
    layers = {name: peer(name).batch_norm for name in ("torch", "evenly")} | {"none": _identity}
    networks = {name: _network(layer, batch, widths) for name, layer in layers.items()}
    candidates = [Candidate(name, _step(network, x, target)) for name, network in networks.items()]
    return {
        "label": f"{batch.label}, widths {' and '.join(map(str, widths))}",
        "runtime": runtime(),
        "comparison": compare_layers(candidates, min_seconds, rounds),
    }


def _network(layer, batch, widths):
    """Return blocks of convolution or linear layer, batch norm and ReLU, and a final layer."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    dimensions, channels = batch.dimensions, batch.channels
    has_images = len(batch.shape) == 4
    modules = []
    for width in widths:
        # No bias: batch norm would subtract it again, and its gradient would be noise.
        if has_images:
            modules.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        else:
            modules.append(nn.Linear(channels, width, bias=False))
        modules += [layer(dimensions, width), nn.ReLU()]
        channels = width
    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if has_images else []
    modules += [nn.Linear(channels, channels, bias=False), layer(1, channels), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(channels, CLASSES))


def _identity(dimensions, channels):
    from torch import nn

    return nn.Identity()


def _step(network, x, target):
    """Return a function that computes the gradients of the loss for every parameter."""
    import torch

    parameters = tuple(network.parameters())

    def run():
        loss = torch.nn.functional.cross_entropy(network(x), target)
        return torch.autograd.grad(loss, parameters)

    return run


def show(records):
    columns = ["", "torch ms", "evenly ms", "without ms", "× torch", "layers alone × torch"]
    note = (
        "layers alone: the ratio after subtracting the time of the network without batch norm; – "
        "where that network was slower. "
        f"evenly's threads: {', '.join(sorted({r['runtime'] for r in records}))}."
    )
    return [table.plain(TITLE, [*columns, "difference"], [_row(r) for r in records], note)]


def _row(record):
    seconds = table.seconds_per_call(record["comparison"])
    torch, evenly = (seconds[name] - seconds["none"] for name in ("torch", "evenly"))
    row = [record["label"], *(f"{seconds[name] * 1e3:.2f}" for name in ("torch", "evenly", "none"))]
    row += [f"{seconds['torch'] / seconds['evenly']:.2f}"]
    row += [f"{torch / evenly:.2f}" if min(torch, evenly) > 0 else table.MISSING]
    difference = record["comparison"]["differences"]["evenly"]
    return [*row, f"{difference:.0e}"]
