"""Time the passes of a layer, and the copies that move the same number of bytes.

Each candidate returns the output, or the gradients with respect to the input and the parameters,
so that the answers of different systems can be compared. Copies are made by torch, into memory
that is already allocated.
"""

from math import ceil

from benchmarks.timing import Candidate, repeated, time_interleaved, time_once, warm_up

PASSES = "training forward", "eval forward", "forward+backward"
COPIES = {"training forward": 1, "eval forward": 1, "forward+backward": 2.5}
"""The copies of the batch that move as many bytes as a pass must move at least. Forward reads x
and writes y; backward reads x and dy and writes dx: together five halves of a copy."""
EXTRA_COPIES = {"training forward": 0.5, "eval forward": 0, "forward+backward": 1.5}
"""Further copies where no cache of a core holds the values of a channel until their sums are
known: forward reads x twice, backward reads x and dy twice."""
TENSORS = {"training forward": 2, "eval forward": 2, "forward+backward": 4}
"""The tensors of the batch's size that a pass accesses: x and y, and dy and dx."""
MIN_SECONDS = {"full": 0.04, "quick": 0.005, "tiny": 0}
"""The minimum duration of one measurement at each size. Shorter calls are repeated. (A shared
machine sometimes pauses for some 10 ms.)"""
BASELINES = "copies", "identity", "none"
"""Candidates without an answer to compare."""


def pass_candidate(name, layer, pass_name, x, dy):
    """Return a pass of a layer as a candidate."""
    layer.train(pass_name != "eval forward")
    if pass_name != "forward+backward":
        return Candidate(name, lambda: layer(x))
    import torch

    x = x.detach().requires_grad_()
    inputs = x, *layer.parameters()
    return Candidate(name, lambda: torch.autograd.grad(layer(x), inputs, dy))


def copies(pass_name, x, dy):
    """Return copies that move as many bytes as a pass must move at least."""
    import torch

    y, dx = torch.empty_like(x), torch.empty_like(dy)
    if COPIES[pass_name] == 1:
        return Candidate("copies", lambda: y.copy_(x))
    half = x[: len(x) // 2]
    half_copy = torch.empty_like(half)
    return Candidate("copies", lambda: (y.copy_(x), dx.copy_(dy), half_copy.copy_(half)))


def identity_layer(pass_name, x, dy):
    """Return a layer that returns its input: the time of a pass that computes nothing."""
    import torch

    class Identity(torch.nn.Module):
        def forward(self, x):
            return x.view_as(x)

    return pass_candidate("identity", Identity(), pass_name, x, dy)


def compare_layers(candidates, min_seconds, rounds, device="cpu"):
    """Time candidates and compare their answers with those of the first, which is torch's.

    Each measurement makes as many calls as the first candidate completes in ``min_seconds``, and
    waits for the device.
    """
    first = candidates[0]
    answers = warm_up(candidates)
    others = [candidate.name for candidate in candidates[1:] if candidate.name not in BASELINES]
    differences = {name: max_relative_error(answers[name], answers[first.name]) for name in others}
    del answers
    # Every candidate is called as often as the others, since layers count their batches.
    seconds = [time_once(waiting(candidate, device).function) for candidate in candidates]
    calls = ceil(min_seconds / seconds[0]) or 1
    batches = [waiting(repeated(candidate, calls), device) for candidate in candidates]
    timed = time_interleaved(batches, rounds)
    return {"calls": calls, "seconds": timed, "differences": differences}


def waiting(candidate, device):
    """Return a candidate that waits for the end of its work on the device."""
    if device == "cpu":
        return candidate
    import torch

    wait = getattr(torch, device.partition(":")[0]).synchronize

    def run():
        candidate.function()
        wait()

    return Candidate(candidate.name, run)


def max_relative_error(ones, others):
    """Return the largest difference of two answers, relative to each tensor's largest value."""
    ones, others = (a if isinstance(a, tuple) else (a,) for a in (ones, others))
    return max(_max_relative_error(*pair) for pair in zip(ones, others, strict=True))


def _max_relative_error(one, other):
    one, other = one.detach().double(), other.detach().double()
    if not one.isfinite().all():
        return float("inf")
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))
