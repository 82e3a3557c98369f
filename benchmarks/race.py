"""Measure: systems side by side, in rounds."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

PAUSE = 0.02
"""Seconds before each work. OpenMP's workers spin for some ms after theirs, polars' for less."""


@dataclass(frozen=True)
class Entry:
    """One system in a race: what it is called, and the work to do again and again."""

    name: str
    work: Callable[[], Any]


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection while the clock runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def race(entries: list[Entry], rounds: int) -> dict[str, list[float]]:
    """The seconds of each entry in each round; every round begins with another entry.

    Every entry has been run once before: see `warm_up`.
    """
    seconds: dict[str, list[float]] = {entry.name: [] for entry in entries}
    with collector_off():
        for first in range(rounds):
            first %= len(entries)
            for entry in entries[first:] + entries[:first]:
                time.sleep(PAUSE)
                seconds[entry.name].append(clock(entry.work))
    return seconds


def warm_up(entries: list[Entry]) -> dict[str, Any]:
    """Run every entry once, and return what each gives."""
    return {entry.name: entry.work() for entry in entries}


def clock(work: Callable[[], Any]) -> float:
    """The seconds of one run. What it returns is freed after the clock has stopped."""
    start = time.perf_counter()
    result = work()
    end = time.perf_counter()
    del result
    return end - start


def repeated(entry: Entry, times: int) -> Entry:
    """So many runs as one: for works that are too short to be timed by themselves."""

    def work() -> None:
        for _ in range(times):
            entry.work()

    return Entry(entry.name, work)


def best_of_medians(work: Callable[[], Any], *, seconds: float, rounds: int) -> float:
    """The least median seconds of one short work, over rounds of about ``seconds`` each.

    The median takes no notice of interruptions, the least of them none of slow spells.
    """
    work()
    number = max(1, int(seconds / max(clock(work), 1e-7)))
    with collector_off():
        return min(median(clock(work) for _ in range(number)) for _ in range(rounds))
