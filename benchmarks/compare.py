"""Time every system on one workload: first without torch, then with it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.peers import installed, peer
from benchmarks.timing import Candidate, time_interleaved, warm_up

PEERS = "scikit-learn", "numpy", "polars", "duckdb"


def compare(
    verb: str,
    arguments: tuple[Any, ...],
    *,
    own: Callable[[], list[Candidate]],
    threads: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """Return two records: evenly with all peers but torch, then evenly with torch.

    ``own`` returns evenly's candidates and the limits. It is called once, before any peer is
    loaded.
    """
    ours = own()
    candidates = ours + list(peer_candidates(PEERS, verb, (*arguments, threads)))
    records = [_record(candidates, rounds, verb)]
    del candidates
    if torch := list(peer_candidates(["torch"], verb, (*arguments, threads))):
        records.append(_record(ours + torch, rounds, verb))
    return records


def peer_candidates(
    names: Iterable[str], verb: str, arguments: tuple[Any, ...]
) -> Iterable[Candidate]:
    """Yield a candidate for each installed system that supports the verb."""
    for name in filter(installed, names):
        prepare = getattr(peer(name), verb, None)
        function = prepare(*arguments) if prepare else None
        if function:
            yield Candidate(name, function)


def _record(candidates: list[Candidate], rounds: int, verb: str) -> dict[str, Any]:
    results = warm_up(candidates)
    errors = errors_of(results) if verb.startswith("fit") else {}
    del results
    seconds = time_interleaved(candidates, rounds)
    return {"runtime": runtime(), "kernel": kernel(), "seconds": seconds, "errors": errors}


def errors_of(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the largest errors of each peer, measured against evenly's answer.

    The first is the error of the mean in standard deviations, the second the relative error of
    the standard deviation.
    """
    mean, variance = peer("evenly").answer(results["evenly"])
    std = np.sqrt(variance)
    errors = {}
    for name in results.keys() & {*PEERS, "torch", "pandas"}:
        peer_mean, peer_variance = peer(name).answer(results[name])
        mean_error = abs(peer_mean - mean) / std
        std_error = abs(np.sqrt(peer_variance) / std - 1)
        # The std of a group of one row is NaN.
        errors[name] = float(np.nanmax(mean_error)), float(np.nanmax(std_error))
    return errors


def runtime() -> str:
    """Return the name of the thread pool that evenly uses, given the libraries now loaded."""
    from evenly import _core

    return _core.runtime()


def kernel() -> str:
    """Return the instruction set that evenly uses."""
    from evenly import _core

    return _core.kernel()
