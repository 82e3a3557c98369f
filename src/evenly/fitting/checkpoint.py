"""The checkpoint of a fit: when to save, how to stop, and the content of a save."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from evenly.block import Block
from evenly.checkpoint import errors
from evenly.checkpoint.schedule import SaveSchedule
from evenly.checkpoint.signals import InterruptRequest
from evenly.checkpoint.store import CheckpointStore
from evenly.fitting.protocols import AnyMoments, Position, Steps
from evenly.sources import Source
from evenly.sources.fields import Field
from evenly.sources.source import ReadTask
from evenly.typing import Infinite


class IncludedFiles(NamedTuple):
    """The description of the files of a fit with a checkpoint, for messages.

    Attributes
    ----------
    description
        The description of all files that the moments include at the end of the fit.
    skipped
        A line that says which of them were read in an earlier run; may be empty.
    nbytes
        The size of the remaining files; None when unknown.
    """

    description: str
    skipped: str
    nbytes: int | None


@dataclass(eq=False)
class Checkpoint(ABC):
    """The sums of a fit, saved periodically so that another run can resume from them.

    It is an accumulator: blocks are added to the sums of earlier runs. A save happens only when
    the sums agree with the read position, so the checkpoint tells the loop where it may stop:
    `watch` between blocks that are read in order, `rounds` between tasks of several threads.

    Attributes
    ----------
    source
        The source of the remaining files.
    store
        The moments so far, and the manifest. It is locked until the end of `running`.
    position
        Which files and rows were read.
    files
        The description of the files, for messages.
    resumed
        Whether an earlier run included some of the files.
    """

    source: Source
    store: CheckpointStore
    position: Position
    files: IncludedFiles

    def __post_init__(self) -> None:
        self.resumed = bool(self.store.files)
        self._schedule = SaveSchedule()
        self._interrupt = InterruptRequest()
        self._added = False  # since the last save

    @property
    def moments(self) -> AnyMoments:
        """The moments of all included files; complete after `running`."""
        return self.store.moments

    @abstractmethod
    def update(self, block: Block, /, *, infinite: Infinite, threads: int | None) -> None:
        """Add the rows of a block that were not added in an earlier run."""

    @abstractmethod
    def _split_at_save_points(self, tasks: Iterator[ReadTask]) -> Iterator[Iterator[Steps]]:
        """Yield sections of some tasks; a save is possible after each section."""

    @abstractmethod
    def _collect(self) -> tuple[Iterable[AnyMoments], tuple[Field, ...] | None]:
        """Bring `moments` up to date for a save.

        Returns
        -------
        partial
            The moments of files that are being read, which `moments` does not include yet.
        fields
            The columns of the files; None: those of the last save.
        """

    @property
    @abstractmethod
    def _num_features(self) -> int:
        """The number of columns, to estimate the time of the first save."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run a fit: save at its end, and release the lock.

        The checkpoint is also saved before an exception if the moments agree with the read
        position. Files that change while they are read are not included; this is reported as an
        error after all other files.
        """
        try:
            with self._interrupt:
                yield
                self._raise_if_interrupted()
            if not self.position.finished:
                self.position.finish()
                self._save()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted. Run the same command again to resume from {self.store.path!r}."
            ) from None
        finally:
            self.store.close()
        if self.position.changed:
            raise errors.changed_while_read_error(self.position.changed, self.store.path)

    def watch(self, blocks: Generator[Block]) -> Iterator[Block]:
        """Yield blocks to add in order, and save between them."""
        while (block := self._next_block(blocks)) is not None:
            yield block
            del block  # so that its memory is free when the next one is made
            self._save_if_due()

    def _next_block(self, blocks: Generator[Block]) -> Block | None:
        return next(blocks, None)

    def rounds(self, tasks: Iterator[ReadTask]) -> Iterator[Iterator[Steps]]:
        """Yield the tasks to run until each save, which waits for the threads to finish them."""
        sections = self._split_at_save_points(tasks)
        while (section := next(sections, None)) is not None:
            yield self._until_pause(chain([section], sections))
            self._save_if_due()

    def _until_pause(self, sections: Iterator[Iterator[Steps]]) -> Iterator[Steps]:
        for section in sections:
            yield from section
            if self._must_pause():
                return

    def _must_pause(self) -> bool:
        """Whether the threads must finish before more tasks are started."""
        return self._interrupt.pending or self._is_save_due()

    def _save_if_due(self) -> None:
        """Save and stop if a signal is pending, or save if a save is due."""
        self._raise_if_interrupted()
        if self._is_save_due():
            self._save()

    def _raise_if_interrupted(self) -> None:
        if self._interrupt.pending:
            self._save()
            self._interrupt.raise_pending()

    def _is_save_due(self, least: float | None = None) -> bool:
        return self._added and self._schedule.due(self._num_features, least=least)

    def _save(self) -> None:
        with self._schedule.saving():
            partial, fields = self._collect()
            changed = [change.file for change in self.position.changed.values()]
            records = self.position.records()
            self.store.save(records, fields, self.files.description, partial, changed)
        self._added = False
