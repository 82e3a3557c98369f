"""The protocol of sources."""

from collections.abc import Generator
from typing import Protocol

from evenly.block import Block


class Source(Protocol):
    """Data that can be read once, as blocks."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns; None if they are not known yet, or have no names."""

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

    def blocks(self) -> Generator[Block]:
        """Yield the rows of the columns to fit."""
