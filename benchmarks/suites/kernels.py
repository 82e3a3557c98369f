"""Run every instruction set that the processor supports, each forced in turn."""

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import bandwidth, evenly
from benchmarks.timing import Candidate, time_interleaved, warm_up
from benchmarks.workloads import Images, Table, images, shapes

TITLE = "Every kernel"
LAYOUTS = "float32", "float64", "uint8 images", "normalize float32"
IMAGE_SHARE = 10
"""The images are divided by this number, since the plain kernel is slow. A tenth of them still
exceeds the caches."""


def cases(size):
    from evenly import _core

    rows, columns = shapes(size)[0]
    all_images = images(size)
    return [
        {
            "layout": layout,
            "rows": rows,
            "columns": columns,
            "number": -(-all_images.number // IMAGE_SHARE),
            "pixels": all_images.size,
            "environment": {"EVENLY_KERNEL": name},
        }
        for layout in LAYOUTS
        for name in _core.kernels()
    ]


def run(layout, rows, columns, number, pixels, threads, rounds):
    workload = make_workload(layout, rows, columns, number, pixels)
    x = workload.make()
    candidates = own(layout, x, threads)
    warm_up(candidates)
    seconds = time_interleaved(candidates, rounds)
    timing = {"kernel": kernel(), "runtime": runtime(), "seconds": seconds}
    return {"label": f"{kernel()}: {layout}", "nbytes": workload.nbytes, "timings": [timing]}


def make_workload(layout, rows, columns, number, pixels):
    if layout == "uint8 images":
        return Images(number, pixels)
    return Table(rows, columns, layout.split()[-1])


def own(layout, x, threads):
    if layout.startswith("normalize"):
        function, limit, arguments = evenly.normalize, bandwidth.copy, (x, np.zeros_like(x))
    else:
        function = evenly.fit_images if x.dtype == np.uint8 else evenly.fit
        limit, arguments = bandwidth.read, (x,)
    return [
        Candidate("limit 1", limit(*arguments, 1)),
        Candidate("limit", limit(*arguments, threads)),
        Candidate("evenly 1", function(*arguments, 1)),
        Candidate("evenly", function(*arguments, threads)),
    ]


def show(records):
    return [table.speeds(TITLE, records, "limit", [])]
