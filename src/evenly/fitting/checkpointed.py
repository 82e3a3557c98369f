"""Fit the remaining files of a resumed fit, with periodic saves."""

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

_MAX_OPEN_FILES = 64
"""Maximum number of files with separate moments in memory before these are merged."""


class CheckpointedFit(CheckpointSaver):
    """Add blocks to moments. At each save the moments agree with the read position.

    The rows of a file are summed separately until the file has ended and is known not to have
    changed since it was opened; the rows of a changed file are dropped.

    Parameters
    ----------
    moments
        The moments of the files read before, to which the others are added.
    position
        The read position.
    save
        Saves the moments together with those of the files that are being read.
    empty
        Returns empty moments for the rows of a file.
    report
        Called with each block.
    infinite, threads
        As in `evenly.fit`.
    """

    def __init__(
        self,
        moments: Any,
        position: ReadPosition,
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
        self._position = position
        self._empty = empty
        self._report = report
        self._infinite = infinite
        self._threads = threads

    def _current_part(self) -> Any:
        """Return the moments of the file that is being read."""
        path = self._position.path
        if path not in self._parts:
            self._moments = self._parts[path] = self._empty()
        return self._parts[path]

    def _merge_finished(self) -> None:
        """Merge the moments of files that have ended, and drop those of changed files."""
        for path in self._position.finish_files():
            if path in self._parts:
                self._total._merge_inplace(self._parts.pop(path))
        for path in self._position.changed:
            self._parts.pop(path, None)

    def _partial_moments(self) -> list[Any]:
        self._merge_finished()
        return [self._parts[path] for path in self._position.open_files() if path in self._parts]

    def finish(self) -> None:
        """Merge the remaining moments after the last block, and save unless all were saved."""
        if not self._position.finished:
            self._position.finish()
            self._save()

    def run(self, blocks: Generator[Block]) -> None:
        """Add blocks sequentially, each with all threads; also save at the end of a file."""
        with self._interrupt, closing(blocks):
            while (block := self._next_block(blocks)) is not None:
                if self._position.enter_file(block.label):
                    with self._save_on_error():
                        self._merge_finished()
                    if self._is_save_due(least=0.0):
                        self._save()
                self._add(block)
                self._report(block)
                del block  # so that its memory is free when the next one is made
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _next_block(self, blocks: Iterator[Block]) -> Block | None:
        with self._save_on_error():
            return next(blocks, None)

    def _add(self, block: Block) -> None:
        """Add the rows of a block that were not read in an earlier run."""
        known = self._position.already_read(block.first_row, block.rows)
        if known < block.rows:
            new = block.skip_rows(known)
            with self._save_on_error():
                self._current_part().update(new, infinite=self._infinite, threads=self._threads)
            self._added = True
        self._position.advance(block.first_row + block.rows)

    @contextmanager
    def _save_on_error(self) -> Iterator[None]:
        """Save before an error propagates: the moments are unchanged when an error is raised."""
        try:
            yield
        except EvenlyError:
            self._save()
            raise

    def run_parallel(self, tasks: Generator[ReadTask]) -> None:
        """Add blocks of some columns each; each block is read and added by one thread.

        A save waits until all threads have reached the end of the same row group, so that all
        columns have the same rows.
        """
        row_groups = groupby(tasks, lambda task: (task.label, task.first_row))
        with self._interrupt, closing(tasks):
            while (row_group := next(row_groups, None)) is not None:
                batch = self._until_next_save(chain([row_group], row_groups))
                threads = self._threads or _core.num_threads()
                run_tasks(batch, self._add_partial_block, threads)
                self._merge_finished()
                self._checkpoint_if_due()
            self._raise_if_interrupted()

    def _until_next_save(
        self, row_groups: Iterator[tuple[tuple[str, int], Iterator[ReadTask]]]
    ) -> Iterator[Iterable[tuple[Any, Block]]]:
        """Yield the blocks to add until the next save, each with the moments to add it to."""
        for (label, first_row), row_group in row_groups:
            self._position.enter_file(label)
            part = self._current_part()
            rows = 0
            for task in row_group:
                rows = task.rows
                known = self._position.already_read(first_row, rows)
                if known < rows:
                    self._added = True
                    yield _with_moments(part, _skip_to_row(task.blocks, first_row + known))
            self._position.advance(first_row + rows)
            too_many_files = len(self._parts) > _MAX_OPEN_FILES
            if self._interrupt.pending or self._is_save_due() or too_many_files:
                return

    def _add_partial_block(self, part_and_block: tuple[Any, Block]) -> None:
        part, block = part_and_block
        part.add_partial_block(block, infinite=self._infinite)
        self._report(block)


def _with_moments(part: Any, blocks: Iterable[Block]) -> Iterator[tuple[Any, Block]]:
    for block in blocks:
        yield part, block
        del block  # so that its memory is free when the next one is made


def _skip_to_row(blocks: Iterable[Block], row: int) -> Iterator[Block]:
    """Yield the rows of the blocks from a row of their label on."""
    for block in blocks:
        known = min(max(row - block.first_row, 0), block.rows)
        if known < block.rows:
            yield block.skip_rows(known)
        del block  # so that its memory is free when the next one is made
