"""Progress of a pass over data, reported to a callback."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from evenly.block import Block


@dataclass(slots=True, frozen=True)
class Progress:
    """Progress of a fit.

    Attributes
    ----------
    rows, bytes
        Number of rows and bytes read so far.
    total_rows, total_bytes
        Total number of rows and bytes; None if unknown.
    place
        Label of the data being read: a file name, ``"batch 3"``.
    """

    rows: int
    total_rows: int | None
    bytes: int
    total_bytes: int | None
    place: str


def make_reporter(
    progress: Callable[[Progress], object], total_rows: int | None, total_bytes: int | None
) -> Callable[[Block], None]:
    """Return a thread-safe function that reports each block to `progress`."""
    current = Progress(0, total_rows, 0, total_bytes, "")
    lock = threading.Lock()

    def report(block: Block) -> None:
        nonlocal current
        with lock:
            current = _advance(current, block)
            progress(current)

    return report


def _advance(progress: Progress, block: Block) -> Progress:
    return Progress(
        progress.rows + (0 if block.first_column else block.rows),
        progress.total_rows,
        progress.bytes + block.nbytes,
        progress.total_bytes,
        block.label,
    )
