"""Checkpoint of a fit of tables or arrays: sums per file, and the rows that were read before."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby

from evenly.block import Block
from evenly.checkpoint.position import ReadPosition
from evenly.errors import EvenlyError
from evenly.fitting.checkpoint import Checkpoint
from evenly.fitting.protocols import AnyMoments, Steps, steps_of
from evenly.moments import GroupedMoments, Moments
from evenly.moments.base import MomentsBase
from evenly.sources.fields import Field
from evenly.sources.source import ReadTask
from evenly.typing import Infinite

_MAX_OPEN_FILES = 64
"""Maximum number of files with separate moments in memory before these are merged."""


class TableCheckpoint(Checkpoint):
    """The checkpoint of a fit of tables or arrays.

    The rows of a file are summed separately until the file has ended and is known not to have
    changed since it was opened; the rows of a changed file are dropped.
    """

    position: ReadPosition

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parts: dict[str, AnyMoments] = {}  # by path
        self._latest = self.store.moments
        self._by_column = False

    @property
    def _num_features(self) -> int:
        return self._latest.num_features

    def watch(self, blocks: Generator[Block]) -> Iterator[Block]:
        """Yield blocks to add in order; save between them, and at the end of a file."""
        self._select_columns()
        yield from super().watch(blocks)

    def rounds(self, tasks: Iterator[ReadTask]) -> Iterator[Iterator[Steps]]:
        """Yield the tasks to run until each save.

        A save waits until all threads have reached the end of the same row group, so that all
        columns have the same rows.
        """
        self._by_column = True
        self._select_columns()
        for tasks_until_save in super().rounds(tasks):
            yield tasks_until_save
            self._merge_finished()

    def _select_columns(self) -> None:
        """Select the columns of the source, which lacks columns that became text."""
        names, moments = self.source.names, self.store.moments
        bins = moments.distribution
        if not moments.num_features and self._by_column:
            self.store.moments = Moments.empty(names or 1, distribution=bins)
        elif moments.num_features and names is not None and names != moments.columns:
            self.store.moments = moments.select(names)
        self._latest = self.store.moments

    def _part(self, path: str) -> AnyMoments:
        """Return the moments of a file that is being read."""
        if path not in self._parts:
            self._latest = self._parts[path] = self._empty_part()
        return self._parts[path]

    def _empty_part(self) -> AnyMoments:
        moments = self.store.moments
        bins = moments.distribution
        if isinstance(moments, GroupedMoments):
            return GroupedMoments.empty(moments.by, distribution=bins)
        if self._by_column:
            return Moments.empty(self.source.names or 1, distribution=bins)
        return Moments.empty(moments.columns or moments.num_features, distribution=bins)

    def _next_block(self, blocks: Generator[Block]) -> Block | None:
        """Return the next block. If it is of another file, first finish the last file."""
        with self._save_on_error():
            block = next(blocks, None)
        if block is not None and self.position.enter_file(block.label):
            with self._save_on_error():
                self._merge_finished()
            if self._is_save_due(least=0.0):
                self._save()
        return block

    def update(self, block: Block, /, *, infinite: Infinite, threads: int | None) -> None:
        """Add the rows of the next block in order that were not read in an earlier run."""
        known = self.position.already_read(block.first_row, block.rows)
        if known < block.rows:
            new = block.skip_rows(known)
            with self._save_on_error():
                self._part(self.position.path).update(new, infinite=infinite, threads=threads)
            self._added = True
        self.position.advance(block.first_row + block.rows)

    @contextmanager
    def _save_on_error(self) -> Iterator[None]:
        """Save before an error propagates: the moments are unchanged when an error is raised."""
        try:
            yield
        except EvenlyError:
            self._save()
            raise

    def _split_at_save_points(self, tasks: Iterator[ReadTask]) -> Iterator[Iterator[Steps]]:
        """Yield the tasks of each row group."""
        for (label, first_row), row_group in groupby(tasks, lambda t: (t.label, t.first_row)):
            yield self._read_row_group(label, first_row, row_group)

    def _read_row_group(
        self, label: str, first_row: int, tasks: Iterator[ReadTask]
    ) -> Iterator[Steps]:
        """Yield the tasks with rows that were not read in an earlier run."""
        self.position.enter_file(label)
        part = self._part(self.position.path)
        rows = 0
        for task in tasks:
            rows = task.rows
            known = self.position.already_read(first_row, rows)
            if known < rows:
                self._added = True
                yield steps_of(part, _skip_to_row(task.blocks, first_row + known))
        self.position.advance(first_row + rows)

    def _must_pause(self) -> bool:
        return super()._must_pause() or len(self._parts) > _MAX_OPEN_FILES

    def _merge_finished(self) -> None:
        """Merge the moments of files that have ended, and drop those of changed files."""
        total: MomentsBase = self.store.moments
        for path in self.position.finish_files():
            if path in self._parts:
                total.merge_inplace(self._parts.pop(path))
        for path in self.position.changed:
            self._parts.pop(path, None)

    def _collect(self) -> tuple[Iterable[AnyMoments], tuple[Field, ...] | None]:
        self._merge_finished()
        paths = self.position.open_files()
        return [self._parts[path] for path in paths if path in self._parts], self.source.fields


def _skip_to_row(blocks: Iterable[Block], row: int) -> Iterator[Block]:
    """Yield the rows of the blocks from a row of their label on."""
    for block in blocks:
        known = min(max(row - block.first_row, 0), block.rows)
        if known < block.rows:
            yield block.skip_rows(known)
        del block  # so that its memory is free when the next one is made
