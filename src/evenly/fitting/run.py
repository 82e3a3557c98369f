"""Run a fit: add the blocks of a source to moments, sequentially or in parallel."""

from collections.abc import Callable, Iterator, Mapping
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
    """Return the moments of a source, with every column of its first block.

    Parameters
    ----------
    source
        The source, which is read once.
    infinite, threads, progress
        As in `evenly.fit`.
    by
        The keys that the rows are grouped by, for `GroupedMoments`. None: `Moments`.
    """
    report = make_reporter(progress, source)
    if isinstance(source, ResumedSource):
        return source.fit(report, threads)
    if isinstance(source, ImageSource):
        image_report = None if progress is None else report
        return fit_images(source, image_report, infinite, threads or _core.num_threads())
    tasks = source.tasks() if isinstance(source, TableSource) else None
    if tasks is not None:
        return _run_parallel(source, tasks, report, infinite, threads)
    if by is not None:
        return _run_sequential(GroupedMoments.empty(by), source, report, infinite, threads)
    return _run_sequential(Moments.empty(), source, report, infinite, threads)


def _run_sequential(
    moments: Sums, source: Source, report: Report, infinite: Infinite, threads: int | None
) -> Sums:
    """Add blocks to moments sequentially, each with all threads."""
    # Closed immediately after a failure, so that no further block is read ahead.
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
    """Return the moments of blocks of some columns each, one thread per block."""
    moments = Moments.empty(source.names or 1)  # a table without names is one column

    def add_block(block: Block) -> None:
        moments.add_partial_block(block, infinite=infinite)
        report(block)

    blocks = (task.blocks for task in tasks)
    run_tasks(blocks, add_block, threads or _core.num_threads())
    return moments


def finalize(
    moments: Moments | GroupedMoments, left_out: Mapping[str, str], description: str
) -> Moments | GroupedMoments:
    """Return the moments without the columns that turned out not to be numeric.

    Columns are independent of each other, so dropping one afterwards is exact.

    Parameters
    ----------
    moments
        The moments of all columns.
    left_out
        The columns to drop and those that were not read, each with the reason.
    description
        The description of the source, for messages and the statistics file.

    Raises
    ------
    DataError
        When there are no rows, or no columns are left.
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
    result.left_out = left_out
    return result
