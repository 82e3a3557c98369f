"""Every instruction set that the processor has, forced one after the other."""

import numpy as np

from benchmarks import table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import evenly, limits
from benchmarks.race import Entry, race, warm_up
from benchmarks.workloads import Images, Table, images, shapes

TITLE = "Every kernel, forced"
LAYOUTS = "float32", "float64", "uint8 images", "normalize float32"
FEWER = 10
"""The plain kernel takes its time over images: a tenth of them is still more than a cache."""


def cases(size):
    from evenly import _core

    rows, columns = shapes(size)[0]
    pictures = images(size)
    return [
        {
            "layout": layout,
            "rows": rows,
            "columns": columns,
            "number": -(-pictures.number // FEWER),
            "pixels": pictures.size,
            "environment": {"EVENLY_KERNEL": name},
        }
        for layout in LAYOUTS
        for name in _core.kernels()
    ]


def run(layout, rows, columns, number, pixels, threads, rounds):
    work = workload(layout, rows, columns, number, pixels)
    x = work.make()
    entries = ours(layout, x, threads)
    warm_up(entries)
    record = {"kernel": kernel(), "runtime": runtime(), "seconds": race(entries, rounds)}
    return {"label": f"{kernel()}: {layout}", "nbytes": work.nbytes, "races": [record]}


def workload(layout, rows, columns, number, pixels):
    if layout == "uint8 images":
        return Images(number, pixels)
    return Table(rows, columns, layout.split()[-1])


def ours(layout, x, threads):
    if layout.startswith("normalize"):
        verb, limit, x = evenly.normalize, limits.copy, (x, np.zeros_like(x))
    else:
        verb = evenly.fit_images if x.dtype == np.uint8 else evenly.fit
        limit, x = limits.read, (x,)
    return [
        Entry("limit 1", limit(*x, 1)),
        Entry("limit", limit(*x, threads)),
        Entry("evenly 1", verb(*x, 1)),
        Entry("evenly", verb(*x, threads)),
    ]


def show(records):
    return [table.speeds(TITLE, records, "limit", [])]
