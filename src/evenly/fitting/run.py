"""Run a fit: add the blocks of a source to moments, sequentially or in parallel."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from evenly import _core
from evenly.block import Block
from evenly.errors import DataError
from evenly.fitting.checkpoint import Checkpoint
from evenly.fitting.images import ImageAccumulator, require_images
from evenly.fitting.parallel import run_tasks
from evenly.fitting.protocols import Accumulator, AnyMoments, Step, Steps, steps_of
from evenly.moments import GroupedMoments, Moments
from evenly.printable import printable
from evenly.progress import Progress, make_reporter
from evenly.sources import FitOptions, Source
from evenly.sources.group_names import group_label
from evenly.sources.images.source import ImageSource
from evenly.sources.source import ReadTask
from evenly.typing import Infinite

MomentsT = TypeVar("MomentsT", Moments, GroupedMoments, AnyMoments)
ProgressCallback = Callable[[Progress], object]

_log = logging.getLogger("evenly")


def fit_source(
    source: Source,
    options: FitOptions,
    *,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> AnyMoments:
    """Return the moments of the numeric columns of a source; see `run_fit`."""
    moments = run_fit(source, options, progress=progress, checkpoint=checkpoint)
    description = source.description if checkpoint is None else checkpoint.files.description
    return finalize(moments, source.left_out, description)


def fit_and_warn(
    source: Source,
    options: FitOptions,
    *,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> AnyMoments:
    """Return the moments of a source, and log the warnings about its images."""
    moments = fit_source(source, options, progress=progress, checkpoint=checkpoint)
    if isinstance(source, ImageSource):
        description = source.description if checkpoint is None else checkpoint.files.description
        for warning in source.warnings():
            _log.warning("%s: %s", printable(description), printable(warning))
    return moments


def run_fit(
    source: Source,
    options: FitOptions,
    *,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> AnyMoments:
    """Return the moments of a source, with every column of its first block.

    Parameters
    ----------
    source
        The source, which is read once.
    options, progress
        As in `evenly.fit`. With ``by=`` the result is a `GroupedMoments`.
    checkpoint
        The sums of earlier runs, which the source is added to, and which are saved periodically.
        None: there is nothing to resume from or to save.
    """
    report = _make_reporter(progress, source, checkpoint)
    loop = FitLoop(source.tasks(), options.infinite, options.threads, report, checkpoint)
    moments: AnyMoments
    if checkpoint is not None:
        with checkpoint.running():
            loop.run(source, checkpoint)
        moments = checkpoint.moments
    elif isinstance(source, ImageSource):
        images = ImageAccumulator(source, _empty_moments(source, options, by_column=False))
        loop.run(source, images)
        moments = images.result()
    else:
        moments = _empty_moments(source, options, by_column=loop.tasks is not None)
        loop.run(source, moments)
    return require_images(moments, source) if isinstance(source, ImageSource) else moments


def _make_reporter(
    progress: ProgressCallback | None, source: Source, checkpoint: Checkpoint | None
) -> Callable[[Block], None] | None:
    if progress is None:
        return None
    if checkpoint is None:
        return make_reporter(progress, source.rows, source.nbytes)
    return make_reporter(
        progress, None if checkpoint.resumed else source.rows, checkpoint.files.nbytes
    )


def _empty_moments(source: Source, options: FitOptions, *, by_column: bool) -> AnyMoments:
    """Return moments without rows; blocks of some columns need the columns in advance."""
    bins = options.distribution
    if options.by is not None:
        return GroupedMoments.empty(group_label(options.by), distribution=bins)
    return Moments.empty((source.names or 1) if by_column else None, distribution=bins)


@dataclass(slots=True, frozen=True)
class FitLoop:
    """The loop over the blocks of a source.

    Attributes
    ----------
    tasks
        The tasks of the source, which threads run in parallel. None: blocks are added in order,
        each with all threads.
    infinite, threads
        As in `evenly.fit`.
    report
        Called with each block that was added, for progress; may be None.
    checkpoint
        Where the sums are saved during the fit; may be None.
    """

    tasks: Generator[ReadTask] | None
    infinite: Infinite
    threads: int | None
    report: Callable[[Block], None] | None
    checkpoint: Checkpoint | None

    def run(self, source: Source, accumulator: Accumulator) -> None:
        """Add all blocks of a source to an accumulator."""
        if self.tasks is None:
            self._run_sequential(source.blocks(), accumulator)
        else:
            self._run_parallel(self.tasks, accumulator)

    def _run_sequential(self, blocks: Generator[Block], accumulator: Accumulator) -> None:
        # Closed immediately after a failure, so that no further block is read ahead.
        with closing(blocks):
            for block in self.checkpoint.watch(blocks) if self.checkpoint else blocks:
                self._add((accumulator, block), self.threads)
                del block  # so that its memory is free when the next one is made

    def _run_parallel(self, tasks: Generator[ReadTask], accumulator: Accumulator) -> None:
        with closing(tasks):
            for steps in self._rounds(tasks, accumulator):
                run_tasks(steps, self._add, self.threads or _core.num_threads())

    def _rounds(
        self, tasks: Iterator[ReadTask], accumulator: Accumulator
    ) -> Iterator[Iterator[Steps]]:
        """Yield the tasks up to each save; all of them without a checkpoint."""
        if self.checkpoint is not None:
            yield from self.checkpoint.rounds(tasks)
        else:
            yield (steps_of(accumulator, task.blocks) for task in tasks)

    def _add(self, step: Step, threads: int | None = 1) -> None:
        accumulator, block = step
        accumulator.update(block, infinite=self.infinite, threads=threads)
        if self.report is not None:
            self.report(block)


def no_numbers_error(description: str) -> DataError:
    """Return the error for data without a numeric column."""
    return DataError(
        f"At least one numeric column must be left to fit. Received: {description}, whose columns "
        "hold no numbers."
    )


def finalize(moments: MomentsT, left_out: Mapping[str, str], description: str) -> MomentsT:
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
        raise no_numbers_error(description)
    result = moments if names is None or len(kept) == len(names) else moments.select(kept)
    result.sources = (description,)
    result.left_out = left_out
    return result
