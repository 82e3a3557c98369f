"""A layer's passes, as works to be timed, and the copies that move the same bytes.

What returns is compared between systems: the output, or the gradients of input and parameters.
Copies are torch's, into memory that is there.
"""

from math import ceil

from benchmarks.race import Entry, clock, race, repeated, warm_up

PASSES = "training forward", "eval forward", "forward+backward"
COPIES = {"training forward": 1, "eval forward": 1, "forward+backward": 2.5}
"""Forward reads x and writes y; backward reads x and dy and writes dx: five halves of copies."""
AGAIN = {"training forward": 0.5, "eval forward": 0, "forward+backward": 1.5}
"""Copies more where no cache of a core keeps a channel's values until their sums are known: x is
read again forward, x and dy backward."""
TENSORS = {"training forward": 2, "eval forward": 2, "forward+backward": 4}
"""Of the batch's size, that a pass touches: x and y, and dy and dx."""
LEAST = {"full": 0.04, "quick": 0.005, "tiny": 0}
"""Seconds of one measurement, at a size: what is shorter is called several times. (A machine that
is shared stops for some 10 ms now and then.)"""
LIMITS = "copies", "bare", "none"
"""Entries whose answer is no layer's."""


def entry(name, layer, which, x, dy):
    """Return a pass of a layer under a system's name."""
    layer.train(which != "eval forward")
    if which != "forward+backward":
        return Entry(name, lambda: layer(x))
    import torch

    x = x.detach().requires_grad_()
    wanted = x, *layer.parameters()
    return Entry(name, lambda: torch.autograd.grad(layer(x), wanted, dy))


def copies(which, x, dy):
    """Return the copies that move as many bytes as a pass at least does."""
    import torch

    y, dx = torch.empty_like(x), torch.empty_like(dy)
    if COPIES[which] == 1:
        return Entry("copies", lambda: y.copy_(x))
    half = len(x) // 2
    rest, room = x[:half], torch.empty_like(x[:half])
    return Entry("copies", lambda: (y.copy_(x), dx.copy_(dy), room.copy_(rest)))


def bare(which, x, dy):
    """Return a layer that gives its input back: what a pass takes where nothing is computed."""
    import torch

    class Bare(torch.nn.Module):
        def forward(self, x):
            return x.view_as(x)

    return entry("bare", Bare(), which, x, dy)


def contest(entries, least, rounds):
    """Race works, each so often that the first, which is torch's, takes ``least`` seconds."""
    first = entries[0]
    answers = warm_up(entries)
    others = [entry.name for entry in entries[1:] if entry.name not in LIMITS]
    differences = {name: difference(answers[name], answers[first.name]) for name in others}
    del answers
    took = [clock(entry.work) for entry in entries]  # of all, for layers count their calls
    calls = ceil(least / took[0]) or 1
    seconds = race([repeated(entry, calls) for entry in entries], rounds)
    return {"calls": calls, "seconds": seconds, "differences": differences}


def difference(ones, others):
    """The largest difference between two answers, each against its largest value."""
    ones, others = (a if isinstance(a, tuple) else (a,) for a in (ones, others))
    return max(_difference(*pair) for pair in zip(ones, others, strict=True))


def _difference(one, other):
    one, other = one.detach().double(), other.detach().double()
    if not one.isfinite().all():
        return float("inf")
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))
