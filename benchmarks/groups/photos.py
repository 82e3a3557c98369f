"""A folder of JPEGs: how near to decoding them? And the loop that everyone writes?"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import photos, table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import evenly, installed, pillow, simplejpeg, torch
from benchmarks.race import Entry, race, warm_up

TITLE = "Fit a folder of JPEGs"
OURS = "decode", "arrays", "simplejpeg", "evenly"
SIZES = {"full": 10_000, "quick": 1_000, "tiny": 12}


def cases(size):
    needed = ("pillow", "simplejpeg", "scikit-learn", "scikit-image")
    return [{"number": SIZES[size]}] if all(map(installed, needed)) else []


def run(number, threads, rounds):
    with TemporaryDirectory() as folder:
        paths = photos.make(Path(folder), number)
        nbytes = sum(Path(path).stat().st_size for path in paths)
        entries = ours(folder, paths, threads)
        races, errors = [_race(entries, rounds)], {}
        if installed("torch"):
            loop = Entry("torch", torch.fit_photos(paths, threads))
            errors = _errors(entries[-1].work(), loop.work())
            races.append(_race([entries[-1], loop], rounds))
    return {"label": f"{number:,} JPEGs", "nbytes": nbytes, "races": races, "errors": errors}


def ours(folder, paths, threads):
    return [
        Entry("decode", pillow.decode(paths, threads)),
        Entry("arrays", pillow.decode_to_arrays(paths, threads)),
        Entry("simplejpeg", simplejpeg.decode(paths, threads)),
        Entry("evenly", evenly.fit_photos(folder, threads)),
    ]


def _race(entries, rounds):
    warm_up(entries)
    seconds = race(entries, rounds)
    return {"runtime": runtime(), "kernel": kernel(), "seconds": seconds}


def _errors(moments, averages):
    """How far the loop's mean and std are from the exact ones, relatively, at most."""
    exact = moments.mean / 255, moments.std() / 255
    pairs = zip(exact, averages, strict=True)
    return [float(np.abs(found / right - 1).max()) for right, found in pairs]


def show(records):
    columns = ["", "MB", *(f"{name} /s" for name in OURS), *(f"/ {name}" for name in OURS[:-1])]
    columns += ["× torch loop", "its mean off", "its std off"]
    note = (
        "Images a second. decode: Pillow on as many threads, nothing done with the pixels; arrays: "
        "the same into NumPy's; simplejpeg: the decoder that evenly takes for JPEGs, alone; "
        "/ decode: evenly's speed in decoding's. The loop averages the mean and the std of each "
        "image, decoded by one thread: its answer is off by so much."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    times = table.seconds(record)
    row = [record["label"], f"{record['nbytes'] / 1e6:.0f}"]
    row += [f"{record['number'] / times[name]:.0f}" for name in OURS]
    row += [f"{times[name] / times['evenly']:.2f}" for name in OURS[:-1]]
    if len(record["races"]) < 2:
        return [*row, *[table.MISSING] * 3]
    loop = table.seconds(record, 1)
    mean, std = record["errors"]
    return [*row, f"{loop['torch'] / loop['evenly']:.1f}", f"{mean:.0e}", f"{std:.1%}"]
