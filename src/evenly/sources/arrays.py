"""Read arrays and tensors as sources of blocks: ranges of rows, without a copy."""

import math
from collections.abc import Generator, Iterator
from typing import Any

from evenly.block import Block
from evenly.errors import UnsupportedTypeError
from evenly.sources import block_sizes
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.fields import NUMBER, Field
from evenly.sources.fill_values import column_of, time_kind
from evenly.sources.group_keys import factorize_named
from evenly.sources.native_arrays import as_array, check_dtype, is_native, to_native
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.row_weights import RowAxes
from evenly.sources.selection import resolve_positions
from evenly.sources.source import SequentialSource, Source
from evenly.sources.tables import ColumnBatch
from evenly.typing import AnyDtype


class ArraySource(SequentialSource):
    """A source of blocks that are ranges of the rows of an array, without a copy.

    Parameters
    ----------
    array
        A NumPy array or a CPU tensor, from `as_array`.
    options
        The columns to read, by position, and their axis.
    label
        The name of the array, for messages.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, array: Any, options: ReadOptions, *, label: str) -> None:
        self._array = array
        self._label = label
        shape = tuple(array.shape)
        self._axis, number = resolve_feature_axis(shape, options.feature_axis, label)
        self._selected = resolve_positions(options.selection, number, label)
        self.description = f"{label} of shape {shape}"
        self.rows: int | None = math.prod(array.shape) // number if number else 0
        self.nbytes: int | None = int(array.nbytes)
        self.row_axes = RowAxes(shape, None, self._axis if len(shape) > 1 else None)
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield ranges of the first axis that holds rows."""
        shape = tuple(self._array.shape)
        axis = 1 if self._axis == 0 and len(shape) > 1 else 0
        copied = self._selected is not None or not is_native(self._array)
        sizes = block_sizes.current
        size = sizes.copied_array_bytes if copied else sizes.array_bytes
        step = max(1, size * shape[axis] // max(1, self._array.nbytes))
        if not copied:
            step = max(step, sizes.min_array_rows * shape[axis] // max(1, self.rows or 0))
        row = 0
        for start in range(0, shape[axis], step):
            rows = self._array[(slice(None),) * axis + (slice(start, start + step),)]
            block = block_of_rows(rows, self._axis, self._selected, self._label, row)
            yield block
            row += block.rows


def block_of_rows(
    rows: Any,
    axis: int,
    positions: list[int] | None,
    label: str,
    first_row: int,
    nbytes: int | None = None,
) -> Block:
    """Return rows of an array as a block.

    Parameters
    ----------
    positions
        The columns to take; None for all of them.
    nbytes
        The size of what was read for the block; None: that of the rows.
    """
    return Block(
        None,
        to_native(take_columns(rows, axis, positions)),
        feature_axis=axis if rows.ndim > 1 else -1,
        label=label,
        first_row=first_row,
        nbytes=int(rows.nbytes) if nbytes is None else nbytes,
        column_numbers=positions,
    )


def take_columns(array: Any, axis: int, positions: list[int] | None) -> Any:
    """Return the columns at some positions; a view if they are consecutive."""
    if positions is None or array.ndim == 1:
        return array
    first, last = positions[0], positions[-1]
    indices: Any = positions
    if positions == list(range(first, last + 1)):
        indices = slice(first, last + 1)
    return array[(slice(None),) * axis + (indices,)]


def open_array(x: object, label: str, opener: SourceOpener) -> Source:
    """Open an array-like object; the fields of a structured array are columns."""
    opener.check_no_select(x)
    opener.check_no_file_options(x)
    opener.check_no_image_options(x)
    array = as_array(x, label)
    if getattr(array.dtype, "names", None) is not None:
        return opener.open_tables([StructuredTable(array, label)], label)
    return ArraySource(array, opener.options, label=label)


class StructuredTable:
    """A NumPy structured array as a table, whose columns are views of its fields."""

    rows: int | None
    nbytes: int | None

    def __init__(self, array: Any, label: str) -> None:
        self._array = array.reshape(-1)
        self.label = label
        self.rows, self.nbytes = len(self._array), int(self._array.nbytes)
        self.fields = tuple(field_of(name, array.dtype[name]) for name in array.dtype.names)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield all rows at once; they can be sliced without a copy."""
        columns = (
            *(column_of(to_native(self._array[name])) for name in names),
            *(factorize_named(self._array[name], name, self.label) for name in keys),
        )
        yield ColumnBatch(columns, self.nbytes or 0)


def field_of(name: str, dtype: AnyDtype) -> Field:
    """Return the `Field` of a column with a dtype."""
    if dtype.subdtype is not None or dtype.names is not None:
        return Field(name, "nested")
    try:
        check_dtype(dtype, "")
    except UnsupportedTypeError:
        kinds = {"U": "text", "T": "text", "S": "binary"}
        return Field(name, kinds.get(dtype.kind) or time_kind(dtype) or str(dtype))
    return Field(name, NUMBER)
