"""Batch normalisation in a network: what do its layers add to a training step?

Between the layers stand torch's own convolutions, activations and matrix products, whose OpenMP
workers still spin when evenly's turn comes. The same network is raced with torch's layers, with
evenly's, and with none, which leaves the cost of the layers.
"""

from benchmarks import table
from benchmarks.activations import Activations
from benchmarks.compare import runtime
from benchmarks.passes import LEAST, contest
from benchmarks.peers import installed, peer
from benchmarks.race import Entry

TITLE = "Batch normalisation in a network, forward+backward"
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
    some = {"widths": WIDTHS[size], "least": LEAST[size]}
    return [{"shape": shape, **some} for shape in BATCHES[size]]


def run(shape, widths, least, threads, rounds):
    import torch

    torch.set_num_threads(threads)
    batch = Activations(tuple(shape))
    x, _ = batch.make()
    target = torch.arange(len(x)) % CLASSES
    layers = {name: peer(name).batch_norm for name in ("torch", "evenly")} | {"none": _nothing}
    networks = {name: _network(layer, batch, widths) for name, layer in layers.items()}
    entries = [Entry(name, _step(network, x, target)) for name, network in networks.items()]
    return {
        "label": f"{batch.label}, widths {' and '.join(map(str, widths))}",
        "runtime": runtime(),
        "contest": contest(entries, least, rounds),
    }


def _network(layer, batch, widths):
    """Two blocks of convolution or linear layer, batch norm and ReLU; a linear layer at the end."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    dimensions, before = batch.dimensions, batch.channels
    images = len(batch.shape) == 4
    parts = []
    for width in widths:
        # No bias: the batch norm would take it away again, and its gradient would be noise.
        if images:
            parts.append(nn.Conv2d(before, width, 3, padding=1, bias=False))
        else:
            parts.append(nn.Linear(before, width, bias=False))
        parts += [layer(dimensions, width), nn.ReLU()]
        before = width
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if images else []
    parts += [nn.Linear(before, before, bias=False), layer(1, before), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(before, CLASSES))


def _nothing(dimensions, channels):
    from torch import nn

    return nn.Identity()


def _step(network, x, target):
    """The loss, backwards to every parameter."""
    import torch

    parameters = tuple(network.parameters())

    def work():
        loss = torch.nn.functional.cross_entropy(network(x), target)
        return torch.autograd.grad(loss, parameters)

    return work


def show(records):
    columns = ["", "torch ms", "evenly ms", "without ms", "× torch", "layers alone × torch"]
    note = (
        "layers alone: what is left when the network without batch norms is taken off both; – "
        "where that took longer. "
        f"evenly's threads: {', '.join(sorted({r['runtime'] for r in records}))}."
    )
    return [table.plain(TITLE, [*columns, "differs"], [_row(r) for r in records], note)]


def _row(record):
    took = table.of_one_call(record["contest"])
    torch, evenly = took["torch"] - took["none"], took["evenly"] - took["none"]
    row = [record["label"], *(f"{took[name] * 1e3:.2f}" for name in ("torch", "evenly", "none"))]
    row += [f"{took['torch'] / took['evenly']:.2f}"]
    row += [f"{torch / evenly:.2f}" if min(torch, evenly) > 0 else table.MISSING]
    differs = record["contest"]["differences"]["evenly"]
    return [*row, f"{differs:.0e}"]
