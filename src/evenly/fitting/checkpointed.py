"""Adding what is still to be read, with a save now and then."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, groupby
from typing import Any

from evenly import _core
from evenly.block import Block
from evenly.checkpoint.position import ReadPosition
from evenly.errors import EvenlyError
from evenly.fitting.parallel import run_tasks
from evenly.fitting.saving import CheckpointSaver
from evenly.sources.tables import ReadTask
from evenly.typing import Infinite

Report = Callable[[Block], None]

_FILES = 64
"""Files that are read side by side before their sums are added up: these take memory."""


class CheckpointedFit(CheckpointSaver):
    """Adds blocks to moments so that, whenever it saves, the sums agree with the course.

    The rows of a file are summed apart until it has ended, and is still what it was when it was
    opened: those of one that has changed are dropped.

    Parameters
    ----------
    empty
        Makes the moments to which the rows of a file are added.
    save
        Saves the moments with those of files that are being read.
    report
        Called with each block.
    """

    def __init__(
        self,
        moments: Any,
        course: ReadPosition,
        save: Callable[[list[Any]], None],
        *,
        empty: Callable[[], Any],
        report: Report,
        infinite: Infinite,
        threads: int | None,
    ) -> None:
        super().__init__(moments, save)
        self._total = moments
        self._parts: dict[str, Any] = {}
        self._course = course
        self._empty = empty
        self._report = report
        self._infinite = infinite
        self._threads = threads

    def _part(self) -> Any:
        """Return the moments of the rows of the file that is being read."""
        path = self._course.path
        if path not in self._parts:
            self._moments = self._parts[path] = self._empty()
        return self._parts[path]

    def _settle(self) -> None:
        """Add what was read of files that have ended, without those that have changed."""
        for path in self._course.settle():
            if path in self._parts:
                self._total._merge_inplace(self._parts.pop(path))
        for path in self._course.changed:
            self._parts.pop(path, None)

    def _begun(self) -> list[Any]:
        self._settle()
        return [self._parts[path] for path in self._course.begun() if path in self._parts]

    def finish(self) -> None:
        """Add the rest, after all blocks, and save if there is anything that was not saved."""
        if not self._course.finished:
            self._course.finish()
            self._save()

    def sum(self, blocks: Generator[Block]) -> None:
        """Add blocks one after the other, each by all threads; also save where a file ends."""
        with self._interruption, closing(blocks):
            while (block := self._next(blocks)) is not None:
                if self._course.enter_file(block.label):
                    with self._save_on_error():
                        self._settle()
                    if self._due(least=0.0):
                        self._save()
                self._add(block)
                self._report(block)
                del block  # so that its memory is free when the next one is made
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _next(self, blocks: Iterator[Block]) -> Block | None:
        with self._save_on_error():
            return next(blocks, None)

    def _add(self, block: Block) -> None:
        """Add what of a block is not in the sums yet."""
        known = self._course.already_read(block.first_row, block.rows)
        if known < block.rows:
            rest = block.skip_rows(known)
            with self._save_on_error():
                self._part().update(rest, infinite=self._infinite, threads=self._threads)
            self._added = True
        self._course.advance(block.first_row + block.rows)

    @contextmanager
    def _save_on_error(self) -> Iterator[None]:
        """Save before an error: what is refused leaves the sums as they were."""
        try:
            yield
        except EvenlyError:
            self._save()
            raise

    def run_parallel(self, tasks: Generator[ReadTask]) -> None:
        """Add blocks of some columns each; a thread reads one and sums it.

        A save waits until all threads have come to the end of the same group of rows, so that
        the sums of all columns have the same rows then.
        """
        steps = groupby(tasks, lambda task: (task.label, task.first_row))
        with self._interruption, closing(tasks):
            while (step := next(steps, None)) is not None:
                stretch = self._until_next_save(chain([step], steps))
                threads = self._threads or _core.num_threads()
                run_tasks(stretch, self._add_partial_block, threads)
                self._settle()
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _until_next_save(
        self, steps: Iterator[tuple[tuple[str, int], Iterator[ReadTask]]]
    ) -> Iterator[Iterable[tuple[Any, Block]]]:
        """Yield what is to be added until the next save, with the moments to add it to."""
        for (label, first_row), step in steps:
            self._course.enter_file(label)
            part = self._part()
            rows = 0
            for task in step:
                rows = task.rows
                known = self._course.already_read(first_row, rows)
                if known < rows:
                    self._added = True
                    yield _for(part, _after(task.blocks, first_row + known))
            self._course.advance(first_row + rows)
            if self._interruption.pending or self._due() or len(self._parts) > _FILES:
                return

    def _add_partial_block(self, some: tuple[Any, Block]) -> None:
        part, block = some
        part.add_partial_block(block, infinite=self._infinite)
        self._report(block)


def _for(part: Any, blocks: Iterable[Block]) -> Iterator[tuple[Any, Block]]:
    for block in blocks:
        yield part, block
        del block  # so that its memory is free when the next one is made


def _after(blocks: Iterable[Block], row: int) -> Iterator[Block]:
    """Yield the blocks' rows from one row of their place on."""
    for block in blocks:
        known = min(max(row - block.first_row, 0), block.rows)
        if known < block.rows:
            yield block.skip_rows(known)
        del block  # so that its memory is free when the next one is made
