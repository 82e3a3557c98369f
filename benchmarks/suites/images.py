"""Fit uint8 images per channel, compared with reading them."""

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import bandwidth, evenly
from benchmarks.timing import Candidate
from benchmarks.workloads import Images, images

TITLE = "Fit uint8 images per channel"


def cases(size):
    workload = images(size)
    return [{"number": workload.number, "size": workload.size}]


def run(number, size, threads, rounds):
    workload = Images(number, size)
    x = workload.make()
    timings = compare(
        "fit_images", (x,), own=lambda: own(x, threads), threads=threads, rounds=rounds
    )
    return {"label": workload.label, "nbytes": workload.nbytes, "timings": timings}


def own(x, threads):
    return [
        Candidate("read 1", bandwidth.read(x, 1)),
        Candidate("read", bandwidth.read(x, threads)),
        Candidate("evenly 1", evenly.fit_images(x, 1)),
        Candidate("evenly", evenly.fit_images(x, threads)),
    ]


def show(records):
    peers = ["numpy", "torch"]
    return [
        table.speeds(TITLE, records, "read", peers),
        table.errors(records, peers),
    ]
