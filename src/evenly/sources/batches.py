"""Iterables of anything that is a source: generators, lists, a PyTorch DataLoader."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from evenly.block import Block
from evenly.errors import ColumnError, DataError, format_names
from evenly.sources.source import Source


class BatchSource:
    """The blocks of an iterable's items.

    Parameters
    ----------
    items
        Read once, item by item.
    open_item
        Makes a source of an item and its label, which is ``"batch 0"`` and so on.
    """

    def __init__(
        self,
        items: Iterable[Any],
        open_item: Callable[[Any, str], Source],
        *,
        description: str,
        rows: int | None = None,
        nbytes: int | None = None,
    ) -> None:
        self._items = items
        self._open = open_item
        self._rows_read = 0
        self.description = description
        self.names: tuple[str, ...] | None = None
        self.rows = rows
        self.nbytes = nbytes
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of each item, which must all have the same columns.

        Raises
        ------
        DataError
            When an item has another number of columns.
        ColumnError
            When an item has columns of other names.
        """
        first: Block | None = None
        unseen: set[str] | None = None
        for number, item in enumerate(self._each()):
            source = self._open(item, f"batch {number}")
            for block in source.blocks():
                if first is None:
                    first, self.names = block, block.names
                check_same_columns(first, block, number)
                self._rows_read += block.rows
                yield block
            unseen = self._leave_out(source.left_out, unseen)
        self.left_out |= dict.fromkeys(sorted(unseen or ()), "no values")

    def _each(self) -> Iterator[Any]:
        """Yield the items; an exception of the iterable's own gets a note, and goes on."""
        number = 0
        iterator = iter(self._items)
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                error.add_note(
                    f"evenly: raised by {self.description} when asked for batch {number}, "
                    f"after {self._rows_read} rows. Nothing of it was kept."
                )
                raise
            yield item
            number += 1

    def _leave_out(self, columns: dict[str, str], unseen: set[str] | None) -> set[str]:
        """Return the columns in which no batch so far has had a value."""
        empty = {name for name, reason in columns.items() if reason == "no values"}
        self.left_out |= {name: reason for name, reason in columns.items() if name not in empty}
        return empty if unseen is None else unseen & empty


class Samples:
    """A map-style dataset: ``data[0]``, ``data[1]``, … to its length, each one sample."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self._data)):
            yield self._data[index]


def check_same_columns(first: Block, block: Block, number: int) -> None:
    """Check that a block has the columns of the first one."""
    if first.names is not None and block.names is not None:
        missing = [name for name in first.names if name not in block.names]
        unknown = [name for name in block.names if name not in first.names]
        if missing or unknown:
            raise ColumnError(
                "All batches must have the same columns. Received: batch "
                f"{number} ({block.label}), missing: {format_names(missing) or 'none'}; unknown: "
                f"{format_names(unknown) or 'none'}. Choose common ones with columns=[...]."
            )
    elif first.features != block.features or (first.names is None) != (block.names is None):
        raise DataError(
            "All batches must have the same columns. Received: batch "
            f"{number} ({block.label}) with {_described(block)}; those before it have "
            f"{_described(first)}."
        )


def _described(block: Block) -> str:
    number = block.features
    names = "" if block.names is None else f" ({format_names(block.names)})"
    return f"{number} column{'s' * (number != 1)}{names}"
