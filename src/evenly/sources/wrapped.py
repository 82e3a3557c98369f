"""Sources that wrap another one: its metadata, and an array aligned with its rows."""

from collections.abc import Callable, Iterator
from typing import Any

from evenly.block import Block
from evenly.errors import DataError
from evenly.sources.source import SequentialSource, Source


class WrappedSource(SequentialSource):
    """A source that forwards the metadata of the source it wraps."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.rows: int | None = source.rows
        self.nbytes = source.nbytes
        self.description = source.description
        self.row_axes = getattr(source, "row_axes", None)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns; None if they are not known yet, or have no names."""
        return self._source.names

    @property
    def left_out(self) -> dict[str, str]:
        """The columns that are not fitted, with the reason."""
        return self._source.left_out


class AlignedSource(WrappedSource):
    """A source with an array that has one value per row.

    Parameters
    ----------
    values
        A sequence that can be sliced.
    rule, noun
        For messages: the rule that is checked, and the noun for the values.
    """

    def __init__(self, source: Source, values: Any, *, rule: str, noun: str) -> None:
        super().__init__(source)
        self._values = values
        self._rule = rule
        self._noun = noun

    def zip_blocks(self, entries_of: Callable[[Block], int]) -> Iterator[tuple[Block, Any]]:
        """Yield each block with its ``entries_of(block)`` values.

        Raises
        ------
        DataError
            If there are more or fewer values than rows, which may be known only at the end.
        """
        start = 0
        for block in self._source.blocks():
            number = entries_of(block)
            part = self._values[start : start + number]
            start += number
            if len(part) < number:
                self.check_number(start, at_least=True)
            yield block, part
        self.check_number(start)

    def check_number(self, rows: int, at_least: bool = False) -> None:
        """Check that there are as many values as rows."""
        if rows != len(self._values):
            raise DataError(
                f"{self._rule} per row. Received: {len(self._values)} {self._noun} for "
                f"{'at least ' * at_least}{rows} rows of {self.description}."
            )
