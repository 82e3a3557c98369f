"""Measure one row at a time: normalizing it, and a running normalizer's step."""

import tracemalloc
from importlib.util import find_spec

import numpy as np

from benchmarks import table
from benchmarks.compare import runtime
from benchmarks.timing import Candidate, repeated, time_interleaved, warm_up

TITLE = "One row, many times"
FEATURES = {"full": (4, 20, 200, 2_000), "quick": (20, 2_000), "tiny": (4,)}
STEPS = {"full": (17, 376), "quick": (17, 376), "tiny": (3,)}
CALLS = {"full": 2_000, "quick": 200, "tiny": 2}


def cases(size):
    calls = CALLS[size]
    return [
        *({"question": "row", "features": n, "calls": calls} for n in FEATURES[size]),
        *({"question": "step", "features": n, "calls": calls} for n in STEPS[size]),
    ]


def run(question, calls, threads, rounds, features):
    candidates = {"row": row_candidates, "step": step_candidates}[question](features)
    results = warm_up(candidates)
    first, *others = results.values()
    for other in others:  # the running normalizers differ by eps and the first count of Gymnasium's
        np.testing.assert_allclose(other, first, rtol=1e-9 if question == "row" else 1e-2)
    seconds = time_interleaved([repeated(candidate, calls) for candidate in candidates], rounds)
    memory = {candidate.name: _memory(candidate.function) for candidate in candidates}
    timing = {"calls": calls, "seconds": seconds}
    return {"timings": [timing], "memory": memory, "runtime": runtime()}


def row_candidates(features):
    """Return what normalizes one row of an array, fitted on a hundred rows."""
    from evenly import Moments

    x = np.random.default_rng(0).normal(size=(100, features))
    row = x[:1].copy()
    moments = Moments.empty().update(x)
    candidates = [Candidate("evenly", lambda: moments.normalize(row))]
    if find_spec("sklearn"):
        from sklearn.preprocessing import StandardScaler

        from evenly.sklearn import StandardScaler as OurScaler

        ours, theirs = OurScaler().fit(x), StandardScaler().fit(x)
        candidates.append(Candidate("evenly.sklearn", lambda: ours.transform(row)))
        candidates.append(Candidate("scikit-learn", lambda: theirs.transform(row)))
    return candidates


class RunningMeanStd:
    """The running mean and variance of Gymnasium's ``NormalizeObservation`` (Chan et al. 1979)."""

    def __init__(self, features):
        self.mean, self.var, self.count = np.zeros(features), np.ones(features), 1e-4

    def update(self, x):
        mean, var, count = np.mean(x, axis=0), np.var(x, axis=0), x.shape[0]
        delta, total = mean - self.mean, self.count + count
        squares = self.var * self.count + var * count
        squares += np.square(delta) * self.count * count / total
        self.mean = self.mean + delta * count / total
        self.var, self.count = squares / total, total

    def normalize(self, x):
        return (x - self.mean) / np.sqrt(self.var + 1e-8)


def step_candidates(features):
    """Return what adds one row to running statistics and normalizes it by them."""
    from evenly import Moments

    x = np.random.default_rng(0).normal(size=(100, features))
    row = x[:1].copy()
    moments = Moments.empty().update(x)
    peer = RunningMeanStd(features)
    peer.update(x)

    def our_step():
        return moments.update(row).normalize(row)

    def peer_step():
        peer.update(row)
        return peer.normalize(row)

    return [Candidate("evenly", our_step), Candidate("Gymnasium's formula", peer_step)]


def _memory(function):
    """Return the peak of the bytes that one call allocates, including its result."""
    function()
    tracemalloc.start()
    try:
        function()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak - before


def show(records):
    note = "µs per call (medians), and peak bytes of Python memory allocated by one call."
    columns = ["", "features", "", "µs", "bytes"]
    rows = [row for record in records for row in _rows(record)]
    return [table.plain(TITLE, columns, rows, note)]


def _rows(record):
    what = {"row": "normalize one row", "step": "add one row, normalize it"}[record["question"]]
    times = table.seconds_per_call(record["timings"][0])
    for name, seconds in times.items():
        cells = [f"{record['features']:,}", name, f"{seconds * 1e6:.1f}"]
        yield [what, *cells, f"{record['memory'][name]:,}"]
