"""The interfaces of the fit loop: an accumulator of blocks, and a read position."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias

from evenly.block import Block
from evenly.checkpoint.errors import Change
from evenly.moments import GroupedMoments, Moments
from evenly.statistics_file import FileRecord
from evenly.typing import Infinite

AnyMoments: TypeAlias = Moments | GroupedMoments


class Accumulator(Protocol):
    """Sums that blocks are added to: `Moments`, `GroupedMoments`, images, or a checkpoint."""

    def update(self, block: Block, /, *, infinite: Infinite, threads: int | None) -> object:
        """Add the rows of a block; nothing is added when an error is raised.

        Several threads may add the blocks of the tasks of a source at the same time.
        """


Step: TypeAlias = tuple[Accumulator, Block]
"""A block, and the sums that it is added to."""

Steps: TypeAlias = Iterator[Step]
"""The steps of one task, which one thread runs in order."""


def steps_of(accumulator: Accumulator, blocks: Iterable[Block]) -> Steps:
    """Yield each block with its accumulator."""
    for block in blocks:
        yield accumulator, block
        del block  # so that its memory is free when the next one is made


class Position(Protocol):
    """The files and rows that were read: a `ReadPosition` or, for images, an `ImagePositions`."""

    @property
    def changed(self) -> Mapping[str, Change]:
        """By path, the files that changed while they were read."""

    @property
    def finished(self) -> bool:
        """Whether all that was read is recorded, after all blocks were read."""

    def finish(self) -> None:
        """Record that all files were read to their end."""

    def records(self) -> Iterator[FileRecord]:
        """Yield the manifest records of the files that were read, or partly read."""
