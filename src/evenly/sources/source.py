"""What comes out of the door: a `Source`."""

from collections.abc import Generator
from typing import Protocol

from evenly.block import Block


class Source(Protocol):
    """Data that blocks can be read from, once."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns' names; None while they are not known, or when there are none."""

    @property
    def rows(self) -> int | None:
        """The rows in all; None when unknown."""

    @property
    def nbytes(self) -> int | None:
        """The bytes in all, as the blocks count them; None when unknown."""

    @property
    def description(self) -> str:
        """What it is, in words: a file's path, ``"a DataFrame"``."""

    @property
    def left_out(self) -> dict[str, str]:
        """The columns that are not fitted, with the reason.

        It is complete after the last block: a column without any value is known only then.
        """

    def blocks(self) -> Generator[Block]:
        """Yield the rows, with just the columns to be fitted."""
