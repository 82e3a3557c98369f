"""Adding images that are still to be read, with a save now and then."""

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
    """Adds images so that, whenever it saves, the sums have just those that were given out.

    Parameters
    ----------
    before
        The moments to which they are added.
    save
        Saves both, and which they are.
    report
        Called with each block.
    """

    def __init__(
        self,
        before: Moments,
        sums: ImageAccumulator,
        save: Callable[[list[Any]], None],
        *,
        report: Callable[[Block], None],
        threads: int | None,
    ) -> None:
        super().__init__(before, save)
        self._sums = sums
        self._report = report
        self._threads = threads or _core.num_threads()

    def sum(self, tasks: Generator[Iterable[DecodedBatch]]) -> None:
        """Add tasks of some images each, which threads take one after the other.

        A save waits until they have done all that they have taken.
        """
        with self._interruption, closing(tasks):
            while (task := next(tasks, None)) is not None:
                stretch = self._until_next_save(chain([task], tasks))
                run_tasks(stretch, self._add, self._threads)
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _until_next_save(
        self, tasks: Iterator[Iterable[DecodedBatch]]
    ) -> Iterator[Iterable[DecodedBatch]]:
        """Yield what is to be added until the next save."""
        for task in tasks:
            yield task
            if self._interruption.pending or self._due():
                return

    def _add(self, shot: DecodedBatch) -> None:
        self._sums.add(shot)
        self._added = True
        self._report(shot.block())
