"""Between torch's operations, as in a network: does it matter whose threads evenly uses?

OpenMP's workers spin for a while after each of torch's operations, and fight a second pool for
the cores. Forced and compared: a pool of evenly's own; torch's OpenMP runtime, which evenly takes
by itself; and the own pool with torch's spinning switched off.
"""

import time
from statistics import median

from benchmarks import table
from benchmarks.compare import runtime
from benchmarks.peers import installed
from benchmarks.race import collector_off
from benchmarks.workloads import Table

TITLE = "evenly's update between torch's operations"
POOLS = {
    "torch's runtime": {},
    "own pool": {"EVENLY_THREADS": "own"},
    "own pool, no spinning": {"EVENLY_THREADS": "own", "GOMP_SPINCOUNT": "0"},
}
OPERATIONS = "matmul", "conv2d"
SIZES = {"full": ((4_096, 64), (65_536, 64)), "quick": ((4_096, 64),), "tiny": ((32, 4),)}
ITERATIONS = {"full": 200, "quick": 50, "tiny": 3}


def cases(size):
    if not installed("torch"):
        return []
    return [
        {
            "pool": pool,
            "operation": operation,
            "rows": rows,
            "columns": columns,
            "iterations": ITERATIONS[size],
            "environment": environment,
        }
        for rows, columns in SIZES[size]
        for operation in OPERATIONS
        for pool, environment in POOLS.items()
    ]


def run(pool, operation, rows, columns, iterations, threads, rounds):
    import torch

    from evenly import Moments

    torch.set_num_threads(threads)
    work = Table(rows, columns, "float32")
    batch = torch.from_numpy(work.make())
    moments = Moments.empty(columns)
    works = {"operation": _operation(torch, operation), "update": lambda: moments.update(batch)}
    alone = {name: alternate([one], iterations)[0] for name, one in works.items()}
    between = alternate(list(works.values()), iterations)
    return {
        "label": f"{work.label} after {operation}, {pool}",
        "runtime": runtime(),
        "alone": alone,
        "between": dict(zip(works, between, strict=True)),
    }


def _operation(torch, name):
    """Some milliseconds of torch's work, with no gradients."""
    if name == "matmul":
        a, b = torch.randn(512, 512), torch.randn(512, 512)
        return lambda: torch.mm(a, b)
    images, weight = torch.randn(8, 32, 28, 28), torch.randn(32, 32, 3, 3)
    return lambda: torch.conv2d(images, weight, padding=1)


def alternate(works, iterations):
    """The median seconds of each work, one after the other without a pause."""
    seconds = [[] for _ in works]
    for work in works:
        work()
    with collector_off():
        for _ in range(iterations):
            for work, times in zip(works, seconds, strict=True):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
    return [median(times) for times in seconds]


def show(records):
    columns = ["", "evenly uses", "update alone µs", "update between µs", "slower ×"]
    columns += ["torch alone µs", "torch between µs", "slower ×"]
    return [table.plain(TITLE, columns, [_row(record) for record in records])]


def _row(record):
    row = [record["label"], record["runtime"]]
    for name in ("update", "operation"):
        alone, between = record["alone"][name], record["between"][name]
        row += [f"{alone * 1e6:.0f}", f"{between * 1e6:.0f}", f"{between / alone:.2f}"]
    return row
