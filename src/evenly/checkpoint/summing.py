"""Adding what is still to be read, with a save now and then."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, groupby

from evenly import _core
from evenly.block import Block
from evenly.checkpoint.course import Course
from evenly.checkpoint.saving import Saving
from evenly.errors import EvenlyError
from evenly.moments import Moments
from evenly.side_by_side import consume_side_by_side
from evenly.sources.tables import Task

Report = Callable[[Block], None]


class Summing(Saving):
    """Adds blocks to moments so that, whenever it saves, the sums agree with the course.

    Parameters
    ----------
    save
        Saves both.
    report
        Called with each block.
    """

    def __init__(
        self,
        moments: Moments,
        course: Course,
        save: Callable[[], None],
        *,
        report: Report,
        infinite: str,
        threads: int | None,
    ) -> None:
        super().__init__(moments, save)
        self._course = course
        self._report = report
        self._infinite = infinite
        self._threads = threads

    def sum(self, blocks: Generator[Block]) -> None:
        """Add blocks one after the other, each by all threads; also save where a file ends."""
        with self._interruption, closing(blocks):
            while (block := self._next(blocks)) is not None:
                if self._course.enter(block.place) and self._due(least=0.0):
                    self._save()
                self._add(block)
                self._report(block)
                del block  # so that its memory is free when the next one is made
                self._pause()
            self._stop_if_asked()

    def _next(self, blocks: Iterator[Block]) -> Block | None:
        with self._saved_when_refused():
            return next(blocks, None)

    def _add(self, block: Block) -> None:
        """Add what of a block is not in the sums yet."""
        known = self._course.known(block.first_row, block.rows)
        if known < block.rows:
            rest = block.after(known)
            with self._saved_when_refused():
                self._moments.update(rest, infinite=self._infinite, threads=self._threads)
            if rest.verify is not None:
                rest.verify()  # before anything saves sums that have rows of no file
            self._added = True
        self._course.reach(block.first_row + block.rows)

    @contextmanager
    def _saved_when_refused(self) -> Iterator[None]:
        """Save before an error: what is refused leaves the sums as they were."""
        try:
            yield
        except EvenlyError:
            self._save()
            raise

    def sum_side_by_side(self, tasks: Generator[Task]) -> None:
        """Add blocks of some columns each; a thread reads one and sums it.

        A save waits until all threads have come to the end of the same group of rows, so that
        the sums of all columns have the same rows then.
        """
        steps = groupby(tasks, lambda task: (task.place, task.first_row))
        with self._interruption, closing(tasks):
            while (step := next(steps, None)) is not None:
                stretch = self._stretch(chain([step], steps))
                threads = self._threads or _core.num_threads()
                consume_side_by_side(stretch, self._add_some, threads)
                self._pause()
            self._stop_if_asked()

    def _stretch(
        self, steps: Iterator[tuple[tuple[str, int], Iterator[Task]]]
    ) -> Iterator[Iterable[Block]]:
        """Yield what is to be added until the next save."""
        for (place, first_row), step in steps:
            self._course.enter(place)
            rows = 0
            for task in step:
                rows = task.rows
                known = self._course.known(first_row, rows)
                if known < rows:
                    self._added = True
                    yield _after(task.blocks, first_row + known)
            self._course.reach(first_row + rows)
            if self._interruption.asked or self._due():
                return

    def _add_some(self, block: Block) -> None:
        self._moments.update_some(block, infinite=self._infinite)
        self._report(block)


def _after(blocks: Iterable[Block], row: int) -> Iterator[Block]:
    """Yield the blocks' rows from one row of their place on."""
    for block in blocks:
        known = min(max(row - block.first_row, 0), block.rows)
        if known < block.rows:
            yield block.after(known)
        del block  # so that its memory is free when the next one is made
