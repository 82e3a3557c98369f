"""Time candidates side by side, in interleaved rounds."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

PAUSE = 0.02
"""Seconds to wait before each measurement, until the worker threads of the previous one sleep.
OpenMP's workers spin for some milliseconds after their work, those of polars for less."""


@dataclass(frozen=True)
class Candidate:
    """A system under its name, with the function to time."""

    name: str
    function: Callable[[], Any]


@contextmanager
def collector_off() -> Iterator[None]:
    """Disable garbage collection while times are measured."""
    gc.collect()
    gc.freeze()  # the next collection looks only at what is allocated from now on
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def time_interleaved(candidates: list[Candidate], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each candidate in each round.

    Each round starts with a different candidate, so that drift affects all of them alike. Every
    candidate must have run once before: see `warm_up`.
    """
    seconds: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    with collector_off():
        for first in range(rounds):
            first %= len(candidates)
            for candidate in candidates[first:] + candidates[:first]:
                time.sleep(PAUSE)
                seconds[candidate.name].append(time_once(candidate.function))
    return seconds


def warm_up(candidates: list[Candidate]) -> dict[str, Any]:
    """Run every candidate once and return the results by name."""
    return {candidate.name: candidate.function() for candidate in candidates}


def time_once(function: Callable[[], Any]) -> float:
    """Return the seconds of one call. Its result is freed after the clock has stopped."""
    start = time.perf_counter()
    result = function()
    end = time.perf_counter()
    del result
    return end - start


def repeated(candidate: Candidate, times: int) -> Candidate:
    """Return a candidate that runs several times, for functions too short to time alone."""

    def run() -> None:
        for _ in range(times):
            candidate.function()

    return Candidate(candidate.name, run)


def best_of_medians(function: Callable[[], Any], *, seconds: float, rounds: int) -> float:
    """Return the smallest median time of a short function over rounds of ``seconds`` each.

    The median ignores interruptions; the minimum over the rounds ignores slow periods.
    """
    function()
    number = max(1, int(seconds / max(time_once(function), 1e-7)))
    with collector_off():
        return min(median(time_once(function) for _ in range(number)) for _ in range(rounds))
