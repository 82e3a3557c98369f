"""Open one column of a table as arrays or images: lists of numbers, or encoded images."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from evenly.block import Block
from evenly.errors import DataError, no_rows_error
from evenly.sources.arrays import ArraySource
from evenly.sources.arrow_input import checked
from evenly.sources.images.image_file import ImageFile, from_path
from evenly.sources.images.source import ImageSource
from evenly.sources.list_columns import ListReader
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.selected_column import Part, SelectedColumn
from evenly.sources.source import SequentialSource, Source

_BYTES = 16 * 2**20


def open_column(x: SelectedColumn, description: str, opener: SourceOpener) -> Source:
    """Open a column of one or several tables.

    Raises
    ------
    DataError
        If there is no row, or the column holds images and the fit has a checkpoint.
    """
    chunks = _chunks(x.parts, x.name)
    first = next(chunks, None)
    if first is None:
        raise no_rows_error(description)
    everything = chain([first], chunks)
    if not is_image_type(first[1].type):
        return ListColumnSource(everything, x, opener.options, description)
    if opener.watch is not None:
        raise DataError(
            "A column of images cannot be resumed. Received: checkpoint= or update= with "
            f"select={x.name!r} for {description}. Fit it without, or save the images as files."
        )
    return ImageSource(
        partial(_image_files, everything, x.open_paths),
        opener.options,
        description=description,
        bit_depth=opener.bit_depth,
    )


class ListColumnSource(SequentialSource):
    """A source of the rows of a column of lists.

    Parameters
    ----------
    chunks
        PyArrow arrays of lists, each with the label of its table.
    column
        Its name and number of rows.
    """

    names: tuple[str, ...] | None = None

    def __init__(
        self,
        chunks: Iterable[tuple[str, Any]],
        column: SelectedColumn,
        options: ReadOptions,
        description: str,
    ) -> None:
        self._chunks = chunks
        self._reader = ListReader(column.name, description)
        self._options = options
        self._label = ""
        self.description = description
        self.rows = column.rows
        self.nbytes: int | None = None
        self.left_out: dict[str, str] = {}
        self.row_axes = None

    def blocks(self) -> Generator[Block]:
        """Yield the rows of each chunk, with the row numbers of its table."""
        label, row = "", 0
        for array in self._reader.arrays(self._arrays()):
            if self._label != label:
                label, row = self._label, 0
            for block in ArraySource(array, self._options, label=label).blocks():
                yield replace(block, first_row=row)
                row += block.rows

    def _arrays(self) -> Iterator[Any]:
        for label, chunk in self._chunks:
            self._label = label
            yield chunk


def is_image_type(dtype: Any) -> bool:
    """Return whether a PyArrow type holds encoded images: bytes, or their bytes and path."""
    import pyarrow.types as types

    if types.is_struct(dtype):
        return {dtype.field(i).name for i in range(dtype.num_fields)} <= {"bytes", "path"}
    return bool(types.is_binary(dtype) or types.is_large_binary(dtype))


def _chunks(parts: Iterable[Part], name: str) -> Iterator[tuple[str, Any]]:
    """Yield the chunks of the column with the labels of their tables."""
    for part in parts:
        for table in part.data:
            for chunk in _split(table.column(name), part.label):
                yield part.label, chunk


def _split(column: object, label: str) -> Iterator[Any]:
    """Yield the chunks of a column that have rows, split to the size of a block."""
    for chunk in getattr(column, "chunks", [column]):
        checked(chunk, label, full=True)
        step = max(1, _BYTES * len(chunk) // max(1, chunk.nbytes))
        for start in range(0, len(chunk), step):
            yield chunk.slice(start, step)


def _image_files(chunks: Iterable[tuple[str, Any]], open_paths: bool) -> Iterator[ImageFile]:
    """Yield the images, which are read by the threads that decode them."""
    row, last = 0, ""
    for label, chunk in chunks:
        row = row if label == last else 0
        last = label
        for index in range(len(chunk)):
            yield _image_file(f"image {row} of {label}", chunk[index], open_paths)
            row += 1


def _image_file(label: str, scalar: Any, open_paths: bool) -> ImageFile:
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
        raise ValueError("it has a path and no bytes; paths in a file or frame are not opened")
    raise ValueError("the value is missing")
