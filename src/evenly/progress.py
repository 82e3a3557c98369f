"""How far a pass over data has come, told to whoever asks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from evenly.block import Block
from evenly.sources import Source


@dataclass(slots=True, frozen=True)
class Progress:
    """How far a fit has come.

    Attributes
    ----------
    rows, bytes
        What has been read.
    total_rows, total_bytes
        What there is in all; None when unknown.
    place
        What is being read: a file, ``"batch 3"``.
    """

    rows: int
    total_rows: int | None
    bytes: int
    total_bytes: int | None
    place: str


def make_reporter(
    progress: Callable[[Progress], object] | None, source: Source
) -> Callable[[Block], None]:
    """Return what tells `progress` of each block, one thread at a time."""
    if progress is None:
        return lambda block: None
    done = Progress(0, source.rows, 0, source.nbytes, "")
    lock = threading.Lock()

    def report(block: Block) -> None:
        nonlocal done
        with lock:
            done = _advance(done, block)
            progress(done)

    return report


def _advance(done: Progress, block: Block) -> Progress:
    return Progress(
        done.rows + (0 if block.first_column else block.rows),
        done.total_rows,
        done.bytes + block.nbytes,
        done.total_bytes,
        block.label,
    )
