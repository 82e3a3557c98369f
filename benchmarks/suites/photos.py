"""Fit a folder of JPEGs, compared with decoding them and with the usual loop."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import jpeg_dataset, table
from benchmarks.compare import kernel, runtime
from benchmarks.peers import evenly, installed, pillow, simplejpeg, torch
from benchmarks.timing import Candidate, time_interleaved, warm_up

TITLE = "Fit a folder of JPEGs"
CANDIDATES = "decode", "arrays", "simplejpeg", "evenly"
DATASET = "evenly, dataset"
SIZES = {"full": 10_000, "quick": 1_000, "tiny": 12}


def cases(size):
    needed = ("pillow", "simplejpeg", "scikit-learn", "scikit-image")
    return [{"number": SIZES[size]}] if all(map(installed, needed)) else []


def run(number, threads, rounds):
    with TemporaryDirectory() as folder:
        paths = jpeg_dataset.make(Path(folder), number)
        nbytes = sum(Path(path).stat().st_size for path in paths)
        candidates = own(folder, paths, threads)
        timings, errors = [_time(candidates, rounds)], {}
        if installed("torch"):
            loop = Candidate("torch", torch.fit_photos(paths, threads))
            folder_fit = next(c for c in candidates if c.name == "evenly")
            errors = _errors(folder_fit.function(), loop.function())
            timings.append(_time([folder_fit, loop], rounds))
    return {"label": f"{number:,} JPEGs", "nbytes": nbytes, "timings": timings, "errors": errors}


def own(folder, paths, threads):
    candidates = [
        Candidate("decode", pillow.decode(paths, threads)),
        Candidate("arrays", pillow.decode_to_arrays(paths, threads)),
        Candidate("simplejpeg", simplejpeg.decode(paths, threads)),
        Candidate("evenly", evenly.fit_photos(folder, threads)),
    ]
    if installed("datasets"):
        candidates.append(Candidate(DATASET, evenly.fit_photo_dataset(paths, threads)))
    return candidates


def _time(candidates, rounds):
    warm_up(candidates)
    seconds = time_interleaved(candidates, rounds)
    return {"runtime": runtime(), "kernel": kernel(), "seconds": seconds}


def _errors(moments, averages):
    """Return the largest relative errors of the loop's mean and std."""
    exact = moments.mean / 255, moments.std() / 255
    pairs = zip(exact, averages, strict=True)
    return [float(np.abs(average / correct - 1).max()) for correct, average in pairs]


def show(records):
    columns = [
        "",
        "MB",
        *(f"{name} /s" for name in CANDIDATES),
        *(f"/ {name}" for name in CANDIDATES[:-1]),
    ]
    columns += ["dataset / folder", "× torch loop", "mean error", "std error"]
    note = (
        "Images per second. decode: Pillow on the same number of threads, discarding the pixels; "
        "arrays: the same, into NumPy arrays; simplejpeg: the decoder that evenly uses for JPEGs, "
        "alone; / decode: evenly's speed relative to it; dataset / folder: the speed of the same "
        "files as a Hugging Face dataset, relative to the folder. The loop averages the mean and "
        "std of each image on one thread, which gives the errors shown."
    )
    return [table.plain(TITLE, columns, [_row(record) for record in records], note)]


def _row(record):
    times = table.seconds(record)
    row = [record["label"], f"{record['nbytes'] / 1e6:.0f}"]
    row += [f"{record['number'] / times[name]:.0f}" for name in CANDIDATES]
    row += [f"{times[name] / times['evenly']:.2f}" for name in CANDIDATES[:-1]]
    row += [f"{times['evenly'] / times[DATASET]:.2f}" if DATASET in times else table.MISSING]
    if len(record["timings"]) < 2:
        return [*row, *[table.MISSING] * 3]
    loop = table.seconds(record, 1)
    mean, std = record["errors"]
    return [*row, f"{loop['torch'] / loop['evenly']:.1f}", f"{mean:.0e}", f"{std:.1%}"]
