"""Read Hugging Face datasets as Arrow data, whatever their output format is.

Datasets whose rows were selected, shuffled or filtered have a separate array of row indices.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any

from evenly.errors import DataError, UnsupportedTypeError, format_names
from evenly.printable import printable
from evenly.sources.array_batches import split_arrays
from evenly.sources.array_columns import is_image_type
from evenly.sources.arrow_input import open_arrow_stream, schema_of, validate_arrow
from evenly.sources.arrow_schema import fields_of
from evenly.sources.fields import Field
from evenly.sources.frames import stream_column_batches
from evenly.sources.opener import SourceOpener
from evenly.sources.prefetch import read_ahead
from evenly.sources.selected_column import Part, SelectedColumn, selected_name
from evenly.sources.selection import ColumnSelection, resolve_row_columns
from evenly.sources.source import Source
from evenly.sources.tables import ColumnBatch

if TYPE_CHECKING:
    import datasets
    import pyarrow


_log = logging.getLogger("evenly")

_BATCH_ROWS = 2**14
_BATCH_BYTES = 16 * 2**20
_BATCH_IMAGES = 64
"""Rows of a batch of encoded images, which are some 100 kB each."""


def open_dataset(x: object, label: str, opener: SourceOpener) -> Source:
    """Open the columns of a dataset, or one selected column of arrays.

    Raises
    ------
    UnsupportedTypeError
        If a transform computes the rows when they are read.
    """
    label = f"the {type(x).__name__}"  # also in a batch
    if _format(x).get("type") == "custom":
        raise UnsupportedTypeError(
            "A dataset must store the data to fit. "
            f"Received: {label} with a transform, which computes it when it is read. "
            "Pass its batches, evenly.fit(x.iter(batch_size=1000), select=...), or fit the stored "
            "data: x.with_format(None)."
        )
    if opener.options.select is None:
        return opener.as_source(DatasetTable(x, opener.options.selection, label))
    return _open_column(x, label, opener)


class DatasetTable:
    """The columns of a dataset with one value per row."""

    def __init__(
        self,
        x: "datasets.Dataset | datasets.IterableDataset",
        selection: ColumnSelection,
        label: str,
    ) -> None:
        self._data, schema = _with_schema(x, label)
        self.label = label
        self.rows = len(x) if hasattr(x, "__len__") else None
        self.nbytes: int | None = None
        arrays = _arrays(x, schema)
        self.fields = tuple(
            Field(field.name, arrays.get(field.name, field.kind))
            for field in fields_of(schema_of(schema, label), label)
        )
        if selection.columns is None and arrays:
            self._warn_of_arrays(arrays)

    def _warn_of_arrays(self, arrays: dict[str, str]) -> None:
        """Log, or raise an error, that columns of arrays or images need ``select=``."""
        plain = [field for field in self.fields if field.name not in arrays]
        name = next(iter(arrays))
        if any(field.is_numeric for field in plain):
            _log.warning(
                "%s: columns with one number per row are fitted, but not %s. Pass select=%r to "
                "fit one of these.",
                printable(self.label.capitalize()),
                format_names(arrays),
                name,
            )
            return
        raise DataError(
            f"Columns of arrays need select= to choose one. Received: {self.label} with "
            f"{format_names(arrays)}. Pass select={name!r}."
        )

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the batches of some columns."""
        with closing(self._data.batches((*names, *keys))) as batches:
            for batch in batches:
                stream = open_arrow_stream(batch, self.label)
                yield from stream_column_batches(stream, names, self.label, keys=keys)


class _MapDataset:
    """Batches of a map-style dataset, which is in memory or memory-mapped."""

    def __init__(self, x: "datasets.Dataset", label: str) -> None:
        self._x = x
        self._label = label

    def images(self, names: list[str]) -> "Iterator[pyarrow.Table]":
        """Yield PyArrow tables with a few encoded images each."""
        selected = self._x.select_columns(names)
        table = selected.data.table
        if selected._indices is None:
            yield from table.to_batches(_BATCH_IMAGES)
        else:
            yield from _take_rows(table, selected._indices.column(0), self._label, _BATCH_IMAGES)

    def batches(self, names: tuple[str, ...]) -> "Generator[pyarrow.Table]":
        """Yield PyArrow tables; without a selection of rows they are not copied."""
        selected = self._x.select_columns(list(names))
        if selected._indices is None:
            yield from _large_batches(selected.data.table, self._label)
            return
        indices = selected._indices.column(0)
        yield from read_ahead(_take_rows(selected.data.table, indices, self._label))


def _take_rows(
    table: "pyarrow.Table", indices: "pyarrow.ChunkedArray", label: str, step: int = _BATCH_ROWS
) -> "Iterator[pyarrow.Table]":
    """Yield rows of a table by their indices, some thousands at a time.

    The library gathers rows one by one, which takes 24 µs per row of 32 columns instead of 3.5 µs.
    """
    validate_arrow(table, label, full=True)  # PyArrow uses the offsets of strings and lists
    for start in range(0, len(indices), step):
        yield table.take(indices.slice(start, step))


def _large_batches(table: "pyarrow.Table", label: str) -> "Iterator[pyarrow.Table]":
    """Yield the batches of a table; small ones are combined.

    The library writes batches of 1000 rows. The overhead per batch and column is some 20 µs, which
    is more than it takes to sum it; copying takes less than 1 µs.
    """
    chunks = max((column.num_chunks for column in table.columns), default=0)
    if chunks * _BATCH_ROWS <= table.num_rows or chunks <= 1:
        yield from table.to_batches()
        return
    validate_arrow(table, label)
    step = max(1, min(4 * _BATCH_ROWS, _BATCH_BYTES * table.num_rows // max(1, table.nbytes)))
    starts = range(0, table.num_rows, step)
    yield from read_ahead(table.slice(start, step).combine_chunks() for start in starts)


class _IterableDataset:
    """Batches of an iterable dataset."""

    def __init__(self, x: "datasets.IterableDataset") -> None:
        self._x = x.with_format("arrow")
        self._tables = iter(self._x.iter(_BATCH_ROWS))
        self.first = next(self._tables, None)

    def images(self, names: list[str]) -> "Iterator[pyarrow.Table]":
        """Yield PyArrow tables with a few encoded images each, from the start."""
        return (table.select(names) for table in self._x.iter(_BATCH_IMAGES))

    def batches(self, names: tuple[str, ...]) -> "Generator[pyarrow.Table]":
        """Yield PyArrow tables."""
        first = () if self.first is None else (self.first,)
        yield from read_ahead(table.select(names) for table in chain(first, self._tables))


def _with_schema(x: object, label: str) -> "tuple[_MapDataset | _IterableDataset, pyarrow.Schema]":
    """Return a reader of a dataset, and the schema of its visible columns."""
    if hasattr(x, "data"):
        schema = x.data.table.schema
        visible = _format(x).get("columns") or schema.names
        import pyarrow

        return _MapDataset(x, label), pyarrow.schema(
            [field for field in schema if field.name in visible]
        )
    streamed = _IterableDataset(x)
    if streamed.first is None:
        raise DataError("At least one row is needed. Received: the IterableDataset, with none.")
    return streamed, streamed.first.schema


def _arrays(
    x: "datasets.Dataset | datasets.IterableDataset", schema: "pyarrow.Schema"
) -> dict[str, str]:
    """Return the names of columns of images or lists, each with ``"image"`` or ``"array"``."""
    features = x.features or {}
    kinds = {}
    for field in schema:
        is_image = type(features.get(field.name)).__name__ == "Image"
        if is_image or (field.name not in features and is_image_type(field.type)):
            kinds[field.name] = "image"
        elif hasattr(getattr(field.type, "storage_type", field.type), "value_type"):
            kinds[field.name] = "array"
    return kinds


def _open_column(x: object, label: str, opener: SourceOpener) -> Source:
    """Open the column that ``select=`` names."""
    data, schema = _with_schema(x, label)
    name = selected_name(opener.options.select, schema.names, label)
    kinds = _arrays(x, schema)
    if opener.by_key and name not in kinds:
        return opener.with_options(select=None, columns=(name,)).open(x, label)
    others = resolve_row_columns(
        opener.options.selection, fields_of(schema_of(schema, label), label), label
    )
    names = [*dict.fromkeys((name, *others.names))]
    tables = data.images(names) if kinds.get(name) == "image" else data.batches(tuple(names))
    parts = [Part(label, split_arrays(tables, name, others, label))]
    rows = len(x) if hasattr(x, "__len__") else None
    return opener.open(SelectedColumn(name, parts, others, rows, True), label)


def _format(x: object) -> dict[str, Any]:
    """Return the output format of a dataset, with its visible columns."""
    return dict(getattr(x, "format", None) or {})
