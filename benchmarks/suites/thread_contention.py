"""Time an update between torch's operations, by the thread pool that evenly uses.

OpenMP's workers spin for a while after each of torch's operations, and compete with a second pool
for the cores. Three settings are compared: torch's OpenMP runtime, which is evenly's default;
evenly's own pool; and the own pool with spinning disabled in torch's.
"""

import time
from statistics import median

from benchmarks import table
from benchmarks.compare import runtime
from benchmarks.peers import installed
from benchmarks.timing import collector_off
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
    workload = Table(rows, columns, "float32")
    batch = torch.from_numpy(workload.make())
    moments = Moments.empty(columns)
    functions = {"operation": _operation(torch, operation), "update": lambda: moments.update(batch)}
    alone = {name: alternate([call], iterations)[0] for name, call in functions.items()}
    between = alternate(list(functions.values()), iterations)
    return {
        "label": f"{workload.label} after {operation}, {pool}",
        "runtime": runtime(),
        "alone": alone,
        "between": dict(zip(functions, between, strict=True)),
    }


def _operation(torch, name):
    """Return an operation of torch that takes some milliseconds, without gradients."""
    if name == "matmul":
        a, b = torch.randn(512, 512), torch.randn(512, 512)
        return lambda: torch.mm(a, b)
    images, weight = torch.randn(8, 32, 28, 28), torch.randn(32, 32, 3, 3)
    return lambda: torch.conv2d(images, weight, padding=1)


def alternate(functions, iterations):
    """Return the median seconds of each function, called in turn without a pause."""
    seconds = [[] for _ in functions]
    for function in functions:
        function()
    with collector_off():
        for _ in range(iterations):
            for function, times in zip(functions, seconds, strict=True):
                start = time.perf_counter()
                function()
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
