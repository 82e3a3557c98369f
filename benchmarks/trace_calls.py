"""Count the Python calls, files and moves between files of three typical tasks.

    python -m benchmarks.trace_calls

A move is a call, or a return, from one file of evenly to another one. The tasks are a fit of a
small Parquet file, a batch through ``BatchNorm1d``, and a fit of three images with a checkpoint.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import evenly

SOURCE = str(Path(evenly.__file__).parent)


class Trace(NamedTuple):
    """What was counted.

    Attributes
    ----------
    calls
        Calls of Python functions of evenly.
    files
        Files of evenly in which a function was called.
    moves
        Changes of the file while evenly's functions are called and return.
    scans
        Calls of `os.scandir`.
    """

    calls: int
    files: int
    moves: int
    scans: int


def trace(task: Callable[[], object]) -> Trace:
    """Run a task in this thread and count its calls."""
    calls, moves, current = 0, 0, ""
    files: set[str] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls, moves, current
        file = frame.f_code.co_filename
        if event not in ("call", "return") or not file.startswith(SOURCE):
            return
        if event == "call":
            calls += 1
            files.add(file)
        elif frame.f_back is not None:
            file = frame.f_back.f_code.co_filename
        if file.startswith(SOURCE) and file != current:
            moves += bool(current)
            current = file

    with mock.patch("os.scandir", wraps=os.scandir) as scandir:
        sys.setprofile(profile)
        try:
            task()
        finally:
            sys.setprofile(None)
    return Trace(calls, len(files), moves, scandir.call_count)


def main() -> None:
    """Print a line for each task."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from PIL import Image

    from evenly.torch import BatchNorm1d

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(pa.table({column: np.arange(9.0) for column in "abc"}), folder / "x.parquet")
        photos = folder / "photos"
        photos.mkdir()
        for number in range(3):
            pixels = np.full((4, 4, 3), number, np.uint8)
            Image.fromarray(pixels).save(photos / f"{number}.png")
        layer, batch = BatchNorm1d(4), torch.randn(8, 4)
        numbers = iter(range(9))

        def fit_photos() -> None:
            state = folder / f"{next(numbers)}.json"
            evenly.fit(photos, checkpoint=state, threads=1)

        tasks: dict[str, Callable[[], object]] = {
            "fit of a Parquet file": lambda: evenly.fit(folder / "x.parquet", threads=1),
            "batch through BatchNorm1d": lambda: layer(batch),
            "fit of images with checkpoint": fit_photos,
        }
        for task in tasks.values():
            task()  # imports
        print(f"{'':<30} {'calls':>6} {'files':>6} {'moves':>6} {'scans':>6}")
        for label, task in tasks.items():
            print(f"{label:<30}" + "".join(f" {number:>6}" for number in trace(task)))


if __name__ == "__main__":
    main()
