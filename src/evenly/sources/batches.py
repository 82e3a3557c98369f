"""Read iterables of sources: generators, lists, a PyTorch DataLoader."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from evenly.block import Block
from evenly.errors import ColumnError, DataError, format_names
from evenly.printable import counted
from evenly.sources.fields import NO_VALUES
from evenly.sources.options import ReadOptions
from evenly.sources.source import SequentialSource, Source


class BatchSource(SequentialSource):
    """A source of the blocks of all items of an iterable.

    Parameters
    ----------
    items
        An iterable that is read once.
    open_item
        Convert an item and its label, ``"batch 0"`` and so on, to a source.
    only
        The source of the only item, if its axes and the arrays that it leaves out are known.
    reopen
        Return the source of other parts of the same items, which may then be read together.
    """

    def __init__(
        self,
        items: Iterable[Any],
        open_item: Callable[[Any, str], Source],
        *,
        description: str,
        rows: int | None = None,
        nbytes: int | None = None,
        only: Source | None = None,
        reopen: "Callable[[ReadOptions], BatchSource] | None" = None,
    ) -> None:
        self._items = items
        self._open = open_item
        self._rows_read = 0
        self.description = description
        self.names: tuple[str, ...] | None = None
        self.rows = rows
        self.nbytes = nbytes
        self.left_out: dict[str, str] = dict(getattr(only, "left_out", {}))
        self.row_axes = getattr(only, "row_axes", None)
        self.reopen = reopen
        self._first: Block | None = None
        self._unseen: set[str] | None = None

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of each item; see `blocks_of`."""
        for number, item in enumerate(self.items()):
            yield from self.blocks_of(item, number)
        self.finish()

    def blocks_of(self, item: object, number: int) -> Generator[Block]:
        """Yield the blocks of an item, which must have the columns of those before it.

        Raises
        ------
        DataError
            If the item has a different number of columns.
        ColumnError
            If the item has columns with different names.
        """
        source = self._open(item, f"batch {number}")
        for block in source.blocks():
            if self._first is None:
                self._first, self.names = block, block.names
            _check_same_columns(self._first, block, f"batch {number}", source.left_out)
            self._rows_read += block.rows
            yield block
        self._unseen = self._add_left_out(source.left_out, self._unseen)

    def finish(self) -> None:
        """Record the columns without values, after the last item."""
        self.left_out |= dict.fromkeys(sorted(self._unseen or ()), NO_VALUES)

    def items(self) -> Iterator[Any]:
        """Yield the items; add a note to an exception of the iterable, and raise it again."""
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
                    f"after {self._rows_read} rows. None of them were kept."
                )
                raise
            yield item
            number += 1

    def _add_left_out(self, columns: dict[str, str], unseen: set[str] | None) -> set[str]:
        """Record columns that are not fitted; return those without a value in any batch so far."""
        empty = {name for name, reason in columns.items() if reason == NO_VALUES}
        self.left_out |= {name: reason for name, reason in columns.items() if name not in empty}
        return empty if unseen is None else unseen & empty


class Samples:
    """The samples of a map-style dataset: ``data[0]``, ``data[1]``, … up to its length."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self._data)):
            yield self._data[index]


def _check_same_columns(
    first: Block, block: Block, batch: str, left_out: Mapping[str, str]
) -> None:
    """Check that a block of a batch, which leaves out some columns, has those of the first one."""
    label = batch if block.label == batch else f"{batch} ({block.label})"
    if first.names is not None and block.names is not None:
        missing = [name for name in first.names if name not in block.names]
        unknown = [name for name in block.names if name not in first.names]
        if missing or unknown:
            others = [name for name in missing if name in left_out]
            reason = f" Column {others[0]!r} is {left_out[others[0]]} there." if others else ""
            raise ColumnError(
                f"All batches must have the same columns. Received: {label}, missing: "
                f"{format_names(missing) or 'none'}; unknown: {format_names(unknown) or 'none'}."
                f"{reason} Select common ones with columns=[...]."
            )
    elif first.features != block.features or (first.names is None) != (block.names is None):
        raise DataError(
            f"All batches must have the same columns. Received: {label} with "
            f"{_describe_columns(block)}; those before it have {_describe_columns(first)}."
        )


def _describe_columns(block: Block) -> str:
    names = "" if block.names is None else f" ({format_names(block.names)})"
    return f"{counted(block.features, 'column')}{names}"
