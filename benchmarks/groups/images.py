"""Mean and variance of uint8 images per channel: how near to reading them?"""

from benchmarks import table
from benchmarks.compare import compare
from benchmarks.peers import evenly, limits
from benchmarks.race import Entry
from benchmarks.workloads import Images, images

TITLE = "Fit uint8 images per channel"


def cases(size):
    work = images(size)
    return [{"number": work.number, "size": work.size}]


def run(number, size, threads, rounds):
    work = Images(number, size)
    x = work.make()
    races = compare(
        "fit_images", (x,), ours=lambda: ours(x, threads), threads=threads, rounds=rounds
    )
    return {"label": work.label, "nbytes": work.nbytes, "races": races}


def ours(x, threads):
    return [
        Entry("read 1", limits.read(x, 1)),
        Entry("read", limits.read(x, threads)),
        Entry("evenly 1", evenly.fit_images(x, 1)),
        Entry("evenly", evenly.fit_images(x, threads)),
    ]


def show(records):
    peers = ["numpy", "torch"]
    return [
        table.speeds(TITLE, records, "read", peers),
        table.errors(records, peers),
    ]
