"""Open one column of a table as arrays or images: lists of numbers, or encoded images."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from evenly.block import Block, GroupKeys
from evenly.errors import DataError, no_rows_error
from evenly.sources.arrays import ArraySource
from evenly.sources.arrow_input import validate_arrow
from evenly.sources.group_keys import KeyedSource, cross_keys
from evenly.sources.images.image_file import ImageFile, from_path
from evenly.sources.images.source import ImageSource, reject_weights_and_keys
from evenly.sources.list_columns import ListReader
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.row_weights import weights_of_rows
from evenly.sources.selected_column import SelectedColumn
from evenly.sources.source import SequentialSource, Source
from evenly.sources.weights import WeightedSource, Weights, weights_from_column

if TYPE_CHECKING:
    import pyarrow


_BYTES = 16 * 2**20


class ArrayRows(NamedTuple):
    """Consecutive rows of the column in one table.

    Attributes
    ----------
    label
        The name of the table.
    first_row
        The number of earlier rows of the table.
    values
        A PyArrow array.
    weights, keys
        One for each row; None without weights or keys.
    """

    label: str
    first_row: int
    values: Any
    weights: Weights | None
    keys: GroupKeys | None


def open_column(x: SelectedColumn, description: str, opener: SourceOpener) -> Source:
    """Open a column of one or several tables.

    Raises
    ------
    DataError
        If there is no row, or the column holds images and the fit has weights.
    """
    chunks = chunks_of(x)
    first = next(chunks, None)
    if first is None:
        raise no_rows_error(description)
    everything = chain([first], chunks)
    options = replace(opener.options, weights=None, by=None)  # the chunks have them
    if not is_image_type(first.values.type):
        return ListColumnSource(everything, x, options, description)
    reject_weights_and_keys(description, x.others.weights, None)
    return ImageSource(
        partial(image_files, everything, open_paths=x.open_paths),
        options,
        description=description,
        bit_depth=opener.bit_depth,
        grouped=bool(x.others.by),
    )


class ListColumnSource(SequentialSource):
    """A source of the rows of a column of lists.

    Parameters
    ----------
    chunks
        The rows, whose values are lists.
    column
        Its name and number of rows.
    options
        The columns of the lists, and their axis.
    """

    names: tuple[str, ...] | None = None

    def __init__(
        self,
        chunks: Iterable[ArrayRows],
        column: SelectedColumn,
        options: ReadOptions,
        description: str,
    ) -> None:
        self._chunks = chunks
        self._reader = ListReader(column.name, description)
        self._options = options
        self.description = description
        self.rows = column.rows
        self.nbytes: int | None = None
        self.left_out: dict[str, str] = {}
        self.row_axes = None

    def blocks(self) -> Generator[Block]:
        """Yield the rows of each chunk, with the row numbers of its table."""
        label, row = "", 0
        for chunk, array in self._reader.arrays((chunk, chunk.values) for chunk in self._chunks):
            row = row if label == chunk.label else 0
            label = chunk.label
            for block in _with_rows(ArraySource(array, self._options, label=label), chunk).blocks():
                yield replace(block, first_row=row)
                row += block.rows


def _with_rows(source: ArraySource, chunk: ArrayRows) -> Source:
    """Return the source of the arrays of a chunk with the weights and keys of its rows.

    Raises
    ------
    DataError
        If the axis of the columns is that of the rows.
    """
    result: Source = source
    if chunk.weights is None and chunk.keys is None:
        return result
    if source.row_axes.feature_axis == 0:
        raise DataError(
            "With weights= or by=, the rows of a column of arrays must be rows. Received: "
            f"feature_axis=0 for {source.description}. Choose an axis of the arrays, from 1."
        )
    if chunk.keys is not None:
        result = KeyedSource(result, chunk.keys)
    if chunk.weights is not None:
        result = WeightedSource(result, weights_of_rows({0: chunk.weights}, source))
    return result


def is_image_type(dtype: "pyarrow.DataType") -> bool:
    """Return whether a PyArrow type holds encoded images: bytes, or their bytes and path."""
    import pyarrow.types as types

    if types.is_struct(dtype):
        return {dtype.field(i).name for i in range(dtype.num_fields)} <= {"bytes", "path"}
    is_binary = types.is_binary(dtype) or types.is_large_binary(dtype)
    return bool(is_binary or str(dtype) == "binary_view")  # as polars exports bytes


def chunks_of(column: SelectedColumn) -> Iterator[ArrayRows]:
    """Yield the rows of the column, split to the size of a block."""
    for part in column.parts:
        row = 0
        for batch in part.data:
            for start, values in _split(batch.values, part.label):
                rows = slice(start, start + len(values))
                columns = [other[rows] for other in batch.columns]
                weights = None
                if column.others.weights is not None:
                    name = column.others.weights
                    weights = weights_from_column(columns.pop(0), name, row, part.label)
                keys = cross_keys(columns) if columns else None
                yield ArrayRows(part.label, row, values, weights, keys)
                row += len(values)


def _split(column: object, label: str) -> Iterator[tuple[int, Any]]:
    """Yield the chunks of a column that have rows, split to the size of a block, and their rows."""
    row = 0
    for chunk in getattr(column, "chunks", [column]):
        validate_arrow(chunk, label, full=True)
        step = max(1, _BYTES * len(chunk) // max(1, chunk.nbytes))
        for start in range(0, len(chunk), step):
            values = chunk.slice(start, step)
            yield row, values
            row += len(values)


def image_files(
    chunks: Iterable[ArrayRows], *, open_paths: bool = False, first: int = 0
) -> Iterator[ImageFile]:
    """Yield the images without the first ones; the threads that decode them also read them."""
    for chunk in chunks:
        for index in range(min(first, len(chunk.values)), len(chunk.values)):
            label = f"image {chunk.first_row + index} of {chunk.label}"
            image = _image_file(label, chunk.values[index], open_paths)
            keys = chunk.keys
            yield image if keys is None else image._replace(group=keys.uniques[keys.codes[index]])
        first = max(0, first - len(chunk.values))


def _image_file(label: str, scalar: "pyarrow.Scalar", open_paths: bool) -> ImageFile:
    value = scalar.as_py()
    content, path = (value, None)
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
    if content is None and path is not None and open_paths:
        return from_path(path)
    return ImageFile(label, partial(_content, content, path))


def _content(content: bytes | None, path: str | None) -> bytes:
    if content is not None:
        return content
    if path is not None:
        raise ValueError(
            "it has a path and no bytes; paths in a file or frame are not opened: fit the files"
        )
    raise ValueError("the value is missing")
