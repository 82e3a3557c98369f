"""One workload, every system: a race without torch, and one with it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.peers import installed, peer
from benchmarks.race import Entry, race, warm_up

PEERS = "scikit-learn", "numpy", "polars", "duckdb"


def compare(
    verb: str,
    arguments: tuple[Any, ...],
    *,
    ours: Callable[[], list[Entry]],
    threads: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """The records of two races: ours against all but torch, then ours against torch.

    ``ours`` makes evenly's entries and the limits; it is asked once, before any peer is there.
    """
    own = ours()
    first = own + list(entries(PEERS, verb, (*arguments, threads)))
    records = [_record(first, rounds, verb)]
    del first
    if torch := list(entries(["torch"], verb, (*arguments, threads))):
        records.append(_record(own + torch, rounds, verb))
    return records


def entries(names: Iterable[str], verb: str, arguments: tuple[Any, ...]) -> Iterable[Entry]:
    """Yield an entry for each system that is installed and can do it."""
    for name in filter(installed, names):
        prepare = getattr(peer(name), verb, None)
        work = prepare(*arguments) if prepare else None
        if work:
            yield Entry(name, work)


def _record(entries: list[Entry], rounds: int, verb: str) -> dict[str, Any]:
    results = warm_up(entries)
    errors = errors_of(results) if verb.startswith("fit") else {}
    del results
    seconds = race(entries, rounds)
    return {"runtime": runtime(), "kernel": kernel(), "seconds": seconds, "errors": errors}


def errors_of(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """How far each peer's answer is from evenly's, at most: the mean in std, the std relatively."""
    mean, variance = peer("evenly").answer(results["evenly"])
    std = np.sqrt(variance)
    errors = {}
    for name in results.keys() & {*PEERS, "torch", "pandas"}:
        its_mean, its_variance = peer(name).answer(results[name])
        off = abs(its_mean - mean) / std, abs(np.sqrt(its_variance) / std - 1)
        errors[name] = float(off[0].max()), float(off[1].max())
    return errors


def runtime() -> str:
    """Whose threads evenly uses, now that what is loaded is loaded."""
    from evenly import _core

    return _core.runtime()


def kernel() -> str:
    """The instruction set that evenly uses."""
    from evenly import _core

    return _core.kernel()
