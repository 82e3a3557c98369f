"""A source's blocks into moments: one after the other, or side by side."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Any, TypeVar

from evenly import _core
from evenly.block import Block
from evenly.errors import DataError
from evenly.fitting.images import fit_images
from evenly.fitting.parallel import run_tasks
from evenly.fitting.resumed import ResumedSource
from evenly.moments import GroupedMoments, Moments
from evenly.progress import Progress, make_reporter
from evenly.sources import Source
from evenly.sources.images import ImageSource
from evenly.sources.tables import ReadTask, TableSource
from evenly.typing import Infinite

Sums = TypeVar("Sums", Moments, GroupedMoments)
Report = Callable[[Block], None]


def run_fit(
    source: Source,
    infinite: Infinite,
    threads: int | None,
    *,
    by: Any = None,
    progress: Callable[[Progress], object] | None = None,
) -> Any:
    """Return the moments of a source, and of every column that it began with.

    Parameters
    ----------
    by
        What the rows are grouped by: `GroupedMoments` are returned. None: `Moments`.
    """
    report = make_reporter(progress, source)
    if isinstance(source, ResumedSource):
        return source.summed(report, threads)
    if isinstance(source, ImageSource):
        watched = None if progress is None else report
        return fit_images(source, watched, infinite, threads or _core.num_threads())
    tasks = source.tasks() if isinstance(source, TableSource) else None
    if tasks is not None:
        return _run_parallel(source, tasks, report, infinite, threads)
    if by is not None:
        return _run_sequential(GroupedMoments.empty(by), source, report, infinite, threads)
    return _run_sequential(Moments.empty(), source, report, infinite, threads)


def _run_sequential(
    moments: Sums, source: Source, report: Report, infinite: Infinite, threads: int | None
) -> Sums:
    """Add blocks to moments, one after the other, each summed by all threads."""
    # Closed at once after a failure, so that nothing is read ahead for nobody.
    with closing(source.blocks()) as blocks:
        for block in blocks:
            moments.update(block, infinite=infinite, threads=threads)
            report(block)
            del block  # so that its memory is free when the next one is made
    return moments


def _run_parallel(
    source: Source,
    tasks: Iterator[ReadTask],
    report: Report,
    infinite: Infinite,
    threads: int | None,
) -> Moments:
    """Return the moments of blocks of some columns each; a thread reads one and sums it."""
    moments = Moments.empty(source.names or 1)  # a table without names is one column

    def take(block: Block) -> None:
        moments.add_partial_block(block, infinite=infinite)
        report(block)

    blocks = (task.blocks for task in tasks)
    run_tasks(blocks, take, threads or _core.num_threads())
    return moments


def finalize(
    moments: Moments | GroupedMoments, left_out: Collection[str], description: str
) -> Moments | GroupedMoments:
    """Return the moments without columns that turned out, late, to hold no numbers.

    Columns do not know of one another, so leaving one out afterwards is exact.

    Raises
    ------
    DataError
        When there is no row, or no column is left.
    """
    if not moments.rows:
        raise DataError(f"At least one row is needed. Received: {description}, with none.")
    names = moments.columns
    kept = [name for name in names or () if name not in left_out]
    if names is not None and not kept:
        raise DataError(
            f"At least one numeric column must be left to fit. Received: {description}, "
            "whose columns hold no numbers."
        )
    result = moments if names is None or len(kept) == len(names) else moments.select(kept)
    result.sources = (description,)
    return result
