"""Merge what a million partitions of a thousand columns would send, as a tree, on one machine.

    python -m benchmarks.merge_scale                              about 5 minutes on two cores
    python -m benchmarks.merge_scale --partitions 20000           some seconds

The partial fits that the partitions of a petabyte would send are generated here. All are
different, and each holds the moments of real numbers. They are merged by the functions that the
engines send to their workers, from bytes to bytes, sixteen at a time. Reading and summing the
data are not simulated (the fit of one partition is measured), nor is the network.

Only merging is timed, not the generation of partial fits. The result is compared with the same sum
computed in another way: every partial fit is the sum of two templates, so the total is a sum of
multiples of templates.
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
from benchmarks import environment
from evenly import Moments
from evenly.engines.partition import (
    PartialFit,
    finalize_partials,
    fit_partition,
    merge_partials,
)
from evenly.sources import FitOptions

FAN_IN = 16
TEMPLATES = 1024
"""The length of two lists. A partial fit is the sum of one template of each: 2**20 in all."""
ROWS = 256
MERGED = 64
"""The templates of the first list that are merged into each template of the second."""


def templates(columns: int, seed: int) -> tuple[list[Moments], list[Moments]]:
    """Return moments of few rows of real numbers, and moments of many: random sums of the first."""
    rng = np.random.default_rng(seed)
    names = [f"column_{number}" for number in range(columns)]
    scale = rng.lognormal(0, 3, columns).astype(np.float32)
    few = []
    for _ in range(TEMPLATES):
        x = rng.standard_normal((ROWS, columns), np.float32) * scale
        few.append(Moments.empty(names) + with_names(evenly.fit(x), names))
    many = [
        evenly.merge(few[i] for i in rng.integers(0, TEMPLATES, MERGED)) for _ in range(TEMPLATES)
    ]
    return few, many


def with_names(moments: Moments, names: list[str]) -> Moments:
    """Return the moments with column names, as those of a data frame have."""
    return Moments(moments._state, tuple(names), moments.dtypes, rows=moments.rows)


def make_partial(number: int, few: list[Moments], many: list[Moments]) -> bytes:
    """Return the partial fit that a partition sends; the first 2**20 are all different."""
    moments = few[number % TEMPLATES] + many[number // TEMPLATES % TEMPLATES]
    return pickle.dumps(PartialFit(moments, {}, frozenset(), f"partition {number}"), 5)


@dataclass
class Tree:
    """A tree of merges, as in an engine, which holds the inputs of one node per level."""

    few: list[Moments]
    many: list[Moments]
    merges: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def top(self, numbers: range) -> bytes:
        """Return the sum of the partial fits with these numbers."""
        if len(numbers) == 1:
            return make_partial(numbers[0], self.few, self.many)
        return self.merge(self.top(branch) for branch in split(numbers))

    def merge(self, partials: Iterable[bytes]) -> bytes:
        """Merge partial fits as one task does, and record the cost."""
        inputs = list(partials)
        self.bytes += sum(map(len, inputs))
        self.merges += len(inputs)
        start = time.process_time()
        result = merge_partials(inputs)
        self.seconds += time.process_time() - start
        return result


def split(numbers: range) -> list[range]:
    """Split the numbers into at most `FAN_IN` branches of the size of a full tree."""
    size = 1
    while size * FAN_IN < len(numbers):
        size *= FAN_IN
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def times(moments: Moments, count: int) -> Moments:
    """Return ``count`` times the moments, by doubling."""
    total = Moments.empty()
    while count:
        if count & 1:
            total = total + moments
        moments, count = moments + moments, count >> 1
    return total


def expected(partitions: int, few: list[Moments], many: list[Moments]) -> Moments:
    """Return the sum of all partial fits as a sum of multiples of templates."""
    numbers = np.arange(partitions)
    uses_of_few = np.bincount(numbers % TEMPLATES, minlength=TEMPLATES)
    uses_of_many = np.bincount(numbers // TEMPLATES % TEMPLATES, minlength=TEMPLATES)
    pairs = zip([*few, *many], [*uses_of_few.tolist(), *uses_of_many.tolist()], strict=True)
    return evenly.merge(times(moments, count) for moments, count in pairs if count)


def fit_speed(columns: int) -> float:
    """Return the bytes per second of a task that fits a partition in memory on one thread."""
    x = np.random.default_rng(1).standard_normal((64_000_000 // columns, columns), np.float32)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        fit_partition(x, FitOptions(), "partition 0")
        seconds.append(time.process_time() - start)
    return float(x.nbytes / sorted(seconds)[2])


def worker(numbers: range) -> tuple[bytes, Tree]:
    """Merge a branch in a process, which inherits the templates of the process that forked it."""
    tree = Tree(*_templates)
    top = tree.top(numbers)
    return top, Tree([], [], tree.merges, tree.bytes, tree.seconds)


_templates: tuple[list[Moments], list[Moments]] = ([], [])


def simulate(partitions: int, columns: int, processes: int, seed: int) -> dict[str, object]:
    global _templates
    _templates = few, many = templates(columns, seed)
    whole = Tree(few, many)
    start = time.perf_counter()
    tops = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for top, tree in pool.imap(worker, split(range(partitions))):
            tops.append(top)
            whole.merges += tree.merges
            whole.bytes += tree.bytes
            whole.seconds += tree.seconds
            cost = 1e6 * whole.seconds / max(1, whole.merges)
            click.echo(f"{whole.merges:,} merges of {cost:.0f} µs", err=True)
    top = whole.merge(tops)
    wall = time.perf_counter() - start
    total = finalize_partials([top], "partitions")
    assert total == expected(partitions, few, many)
    return {
        "partitions": partitions,
        "columns": columns,
        "rows": total.rows,
        "bytes of a partial fit": len(make_partial(0, few, many)),
        "bytes of the sum": len(top),
        "bytes of a state in memory": few[0]._state.nbytes,
        "bytes into merges": whole.bytes,
        "merges": whole.merges,
        "seconds of merging": round(whole.seconds, 2),
        "microseconds per merge": round(1e6 * whole.seconds / whole.merges, 1),
        "seconds with the generation of partial fits": round(wall, 1),
        "fit of a partition, GB/s per core": round(fit_speed(columns) / 1e9, 2),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


@click.command(help=__doc__.partition("\n")[0])
@click.option("--partitions", default=1_000_000, show_default=True, type=click.IntRange(1))
@click.option("--columns", default=1_000, show_default=True, type=click.IntRange(1))
@click.option("--processes", default=os.cpu_count(), show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
def main(partitions: int, columns: int, processes: int, seed: int) -> None:
    record = simulate(partitions, columns, processes, seed)
    click.echo(json.dumps({"machine": environment.describe()} | record, indent=1))


if __name__ == "__main__":
    main()
