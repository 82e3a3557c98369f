"""A million partitions of a thousand columns, added up as a tree, on one machine.

    python -m benchmarks.petabyte                              some 5 minutes on two cores
    python -m benchmarks.petabyte --partitions 20000           some seconds

What the partitions of a petabyte would send is made here: as many shares, all different, each
of the moments of real numbers. They are added up by the functions that the engines send to
their workers, bytes in and bytes out, sixteen at a time. What is not here is the reading and
summing of the data, of which one partition is measured, and the network.

The time of making shares is not counted, that of adding them is. The sum is compared with
another way to the same: every share is a sum of two of few, so the total is a sum of multiples.
"""

import json
import multiprocessing
import os
import pickle
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

import click
import numpy as np

import evenly
from benchmarks import machine
from evenly import Moments
from evenly.engines.partition import (
    FitOptions,
    PartialFit,
    finalize_partials,
    fit_partition,
    merge_partials,
)

FAN = 16
KINDS = 1024
"""Shares are sums of one of so many and one of so many others: 2**20 different ones."""
ROWS = 256
LARGER = 64


def kinds(columns: int, seed: int) -> tuple[list[Moments], list[Moments]]:
    """Moments of some rows of real numbers each, and of many: sums of random ones of these."""
    rng = np.random.default_rng(seed)
    names = [f"column_{number}" for number in range(columns)]
    scale = rng.lognormal(0, 3, columns).astype(np.float32)
    few = []
    for _ in range(KINDS):
        x = rng.standard_normal((ROWS, columns), np.float32) * scale
        few.append(Moments.empty(names) + named(evenly.fit(x), names))
    many = [evenly.merge(few[i] for i in rng.integers(0, KINDS, LARGER)) for _ in range(KINDS)]
    return few, many


def named(moments: Moments, names: list[str]) -> Moments:
    """The same with names, as the partitions of a data frame have."""
    return Moments(moments._state, tuple(names), moments.dtypes, rows=moments.rows)


def share(number: int, few: list[Moments], many: list[Moments]) -> bytes:
    """What a partition sends; no two of the first 2**20 are the same."""
    moments = few[number % KINDS] + many[number // KINDS % KINDS]
    return pickle.dumps(PartialFit(moments, {}, frozenset(), f"partition {number}"), 5)


@dataclass
class Tree:
    """Adds up as an engine does, holding no more than one node's inputs on each level."""

    few: list[Moments]
    many: list[Moments]
    merges: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def top(self, numbers: range) -> bytes:
        """The sum of the shares of these numbers."""
        if len(numbers) == 1:
            return share(numbers[0], self.few, self.many)
        return self.sum(self.top(branch) for branch in branches(numbers))

    def sum(self, parts: Iterable[bytes]) -> bytes:
        """What one task does, and what it costs."""
        below = list(parts)
        self.bytes += sum(map(len, below))
        self.merges += len(below)
        start = time.process_time()
        result = merge_partials(below)
        self.seconds += time.process_time() - start
        return result


def branches(numbers: range) -> list[range]:
    """The numbers in `FAN` parts or fewer, as large as a full tree's."""
    size = 1
    while size * FAN < len(numbers):
        size *= FAN
    return [numbers[at : at + size] for at in range(0, len(numbers), size)]


def times(moments: Moments, count: int) -> Moments:
    """``count`` times the moments, by doubling."""
    total = Moments.empty()
    while count:
        if count & 1:
            total = total + moments
        moments, count = moments + moments, count >> 1
    return total


def expected(partitions: int, few: list[Moments], many: list[Moments]) -> Moments:
    """The sum by multiples."""
    numbers = np.arange(partitions)
    uses = np.bincount(numbers % KINDS, minlength=KINDS)
    more = np.bincount(numbers // KINDS % KINDS, minlength=KINDS)
    pairs = zip([*few, *many], [*uses.tolist(), *more.tolist()], strict=True)
    return evenly.merge(times(moments, count) for moments, count in pairs if count)


def fit_speed(columns: int) -> float:
    """Bytes a second of a task that fits a partition in memory, with its one thread."""
    x = np.random.default_rng(1).standard_normal((64_000_000 // columns, columns), np.float32)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        fit_partition(x, FitOptions(), "partition 0")
        seconds.append(time.process_time() - start)
    return float(x.nbytes / sorted(seconds)[2])


def branch(numbers: range) -> tuple[bytes, Tree]:
    """What a process does: it has the kinds of the process that it was forked from."""
    tree = Tree(*_kinds)
    top = tree.top(numbers)
    return top, Tree([], [], tree.merges, tree.bytes, tree.seconds)


_kinds: tuple[list[Moments], list[Moments]] = ([], [])


def simulate(partitions: int, columns: int, processes: int, seed: int) -> dict[str, object]:
    global _kinds
    _kinds = few, many = kinds(columns, seed)
    whole = Tree(few, many)
    start = time.perf_counter()
    tops = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for top, tree in pool.imap(branch, branches(range(partitions))):
            tops.append(top)
            whole.merges += tree.merges
            whole.bytes += tree.bytes
            whole.seconds += tree.seconds
            cost = 1e6 * whole.seconds / max(1, whole.merges)
            click.echo(f"{whole.merges:,} merges of {cost:.0f} µs", err=True)
    top = whole.sum(tops)
    wall = time.perf_counter() - start
    total = finalize_partials([top], "partitions")
    assert total == expected(partitions, few, many)
    return {
        "partitions": partitions,
        "columns": columns,
        "rows": total.rows,
        "bytes of a share": len(share(0, few, many)),
        "bytes of the sum": len(top),
        "bytes of a state in memory": few[0]._state.nbytes,
        "bytes into merges": whole.bytes,
        "merges": whole.merges,
        "seconds of merging": round(whole.seconds, 2),
        "microseconds a merge": round(1e6 * whole.seconds / whole.merges, 1),
        "seconds with the making of shares": round(wall, 1),
        "fit of a partition, GB/s a core": round(fit_speed(columns) / 1e9, 2),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


@click.command(help=__doc__.partition("\n")[0])
@click.option("--partitions", default=1_000_000, show_default=True, type=click.IntRange(1))
@click.option("--columns", default=1_000, show_default=True, type=click.IntRange(1))
@click.option("--processes", default=os.cpu_count(), show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
def main(partitions: int, columns: int, processes: int, seed: int) -> None:
    record = simulate(partitions, columns, processes, seed)
    click.echo(json.dumps({"machine": machine.facts()} | record, indent=1))


if __name__ == "__main__":
    main()
