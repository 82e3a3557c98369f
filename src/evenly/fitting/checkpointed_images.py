"""Fit the remaining images of a resumed fit, with periodic saves."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Any

from evenly import _core
from evenly.block import Block
from evenly.fitting.images import ImageAccumulator
from evenly.fitting.parallel import run_tasks
from evenly.fitting.saving import CheckpointSaver
from evenly.moments import Moments
from evenly.sources.images import DecodedBatch


class CheckpointedImageFit(CheckpointSaver):
    """Add images to moments. At each save all images that were yielded have been added.

    Parameters
    ----------
    before
        The moments of the images read before.
    accumulator
        The accumulator of the remaining images.
    save
        Saves the sum of both, and the manifest.
    report
        Called with each block.
    threads
        As in `evenly.fit`.
    """

    def __init__(
        self,
        before: Moments,
        accumulator: ImageAccumulator,
        save: Callable[[list[Any]], None],
        *,
        report: Callable[[Block], None],
        threads: int | None,
    ) -> None:
        super().__init__(before, save)
        self._accumulator = accumulator
        self._report = report
        self._threads = threads or _core.num_threads()

    def run(self, tasks: Generator[Iterable[DecodedBatch]]) -> None:
        """Add tasks of some images each, which are distributed to the threads.

        A save waits until the threads have finished all tasks that they have started.
        """
        with self._interrupt, closing(tasks):
            while (task := next(tasks, None)) is not None:
                run_tasks(self._until_next_save(chain([task], tasks)), self._add, self._threads)
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _until_next_save(
        self, tasks: Iterator[Iterable[DecodedBatch]]
    ) -> Iterator[Iterable[DecodedBatch]]:
        """Yield the tasks until the next save."""
        for task in tasks:
            yield task
            if self._interrupt.pending or self._is_save_due():
                return

    def _add(self, batch: DecodedBatch) -> None:
        self._accumulator.add(batch)
        self._added = True
        self._report(batch.block())
