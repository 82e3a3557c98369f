"""The protocol of sources, and the tasks in which several threads read them."""

from collections.abc import Generator, Iterable
from typing import NamedTuple, Protocol

from evenly.block import Block
from evenly.sources.fields import Field


class ReadTask(NamedTuple):
    """Blocks that one thread reads and adds, in order.

    Attributes
    ----------
    blocks
        The blocks, which are read when they are requested.
    label, first_row, rows
        The range of rows of a table, as in `Block`. Successive tasks with the same label and first
        row have different columns of these rows. Not set for images, whose rows are not known
        before they are read.
    """

    blocks: Iterable[Block]
    label: str = ""
    first_row: int = 0
    rows: int = 0


class Source(Protocol):
    """Data that can be read once, as tasks or as blocks."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns; None if they are not known yet, or have no names."""

    @property
    def fields(self) -> tuple[Field, ...] | None:
        """All columns of a table that are known so far, fitted or not; None for other data."""

    @property
    def rows(self) -> int | None:
        """The total number of rows; None if unknown."""

    @property
    def nbytes(self) -> int | None:
        """The total number of bytes, as counted by the blocks; None if unknown."""

    @property
    def description(self) -> str:
        """A description for messages: the path of a file, or ``"a DataFrame"``."""

    @property
    def left_out(self) -> dict[str, str]:
        """The columns that are not fitted, with the reason.

        Complete only after the last block, when columns without values are known.
        """

    def tasks(self) -> Generator[ReadTask] | None:
        """Return tasks that several threads can read; None if blocks must be read in order."""

    def blocks(self) -> Generator[Block]:
        """Yield the rows of the columns to fit."""


class SequentialSource:
    """A base class of sources that are not tables, and whose blocks must be read in order."""

    fields: tuple[Field, ...] | None = None

    def tasks(self) -> Generator[ReadTask] | None:
        """Return None: blocks must be read in order."""
        return None
