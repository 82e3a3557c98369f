"""A million partitions of a thousand columns, added up as a tree, on one machine.

    python -m benchmarks.petabyte                              some 10 minutes
    python -m benchmarks.petabyte --partitions 20000           some seconds

What the partitions of a petabyte would send is made here: as many shares, all different, each
of the moments of real numbers. They are added up by the functions that the engines send to
their workers, bytes in and bytes out, sixteen at a time. What is not here is the reading and
summing of the data, of which one partition is measured, and the network.

The time of making shares is not counted, that of adding them is. The sum is compared with
another way to the same: every share is a sum of two of few, so the total is a sum of multiples.
"""

import json
import pickle
import resource
import time
from collections.abc import Iterator

import click
import numpy as np

import evenly
from benchmarks import machine
from evenly import Moments
from evenly.engines.partition import Options, Share, fit_partition, merge_parts, merge_shares

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
    return pickle.dumps(Share(moments, {}, frozenset(), f"partition {number}"), 5)


class Tree:
    """Adds up as an engine does, holding no more than a branch at a time."""

    def __init__(self, shares: Iterator[bytes]) -> None:
        self._shares = shares
        self.merges = self.bytes = 0
        self.seconds = 0.0

    def top(self, level: int) -> bytes | None:
        """The sum of the next ``FAN ** level`` shares; None when there are no more."""
        if level == 0:
            return next(self._shares, None)
        below = [part for part in (self.top(level - 1) for _ in range(FAN)) if part is not None]
        if not below:
            return None
        self.bytes += sum(map(len, below))
        self.merges += len(below)
        start = time.process_time()
        result = merge_shares(below)
        self.seconds += time.process_time() - start
        return result


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
        fit_partition(x, Options(), "partition 0")
        seconds.append(time.process_time() - start)
    return float(x.nbytes / sorted(seconds)[2])


def simulate(partitions: int, columns: int, seed: int) -> dict[str, object]:
    few, many = kinds(columns, seed)
    tree = Tree(share(number, few, many) for number in range(partitions))
    levels = 1
    while FAN**levels < partitions:
        levels += 1
    start = time.perf_counter()
    top = tree.top(levels)
    wall = time.perf_counter() - start
    assert top is not None
    total = merge_parts([top], "partitions")
    assert total == expected(partitions, few, many)
    first = share(0, few, many)
    return {
        "partitions": partitions,
        "columns": columns,
        "rows": total.rows,
        "levels": levels,
        "bytes of a share": len(first),
        "bytes of the sum": len(top),
        "bytes of a state in memory": few[0]._state.nbytes,
        "bytes into merges": tree.bytes,
        "merges": tree.merges,
        "seconds of merging": round(tree.seconds, 2),
        "microseconds a merge": round(1e6 * tree.seconds / tree.merges, 1),
        "seconds with the making of shares": round(wall, 1),
        "fit of a partition, GB/s a core": round(fit_speed(columns) / 1e9, 2),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


@click.command(help=__doc__.partition("\n")[0])
@click.option("--partitions", default=1_000_000, show_default=True, type=click.IntRange(1))
@click.option("--columns", default=1_000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
def main(partitions: int, columns: int, seed: int) -> None:
    record = simulate(partitions, columns, seed)
    click.echo(json.dumps({"machine": machine.facts()} | record, indent=1))


if __name__ == "__main__":
    main()
