"""Hugging Face data sets, read as the Arrow data that they are, whatever their format says.

Rows that were selected, shuffled or filtered are so by a list of numbers beside the data.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Any

from evenly.errors import ColumnError, DataError, UnsupportedTypeError, format_names, suggest
from evenly.printable import printable
from evenly.sources.arrays import ArraySource
from evenly.sources.arrow import fields_of
from evenly.sources.arrow_input import checked, open_stream, schema_of
from evenly.sources.batches import BatchSource
from evenly.sources.frames import stream_column_batches
from evenly.sources.list_columns import lists_to_array
from evenly.sources.options import ReadOptions
from evenly.sources.prefetch import read_ahead
from evenly.sources.selection import ColumnSelection, Field
from evenly.sources.tables import ColumnBatch

_log = logging.getLogger("evenly")

_ROWS = 2**14
_BYTES = 16 * 2**20
_FORMATS_THAT_COMPUTE = ("custom",)


def matches(x: Any) -> bool:
    """Whether something is a Dataset or an IterableDataset of Hugging Face's library."""
    datasets = sys.modules.get("datasets")
    return datasets is not None and isinstance(x, datasets.Dataset | datasets.IterableDataset)


def open_dataset(x: Any, request: ReadOptions) -> Any:
    """Return it as a `Table`; or one column of it, that was selected, as a source of arrays.

    Raises
    ------
    UnsupportedTypeError
        When a transform makes its rows as they are read: these are not in its data.
    """
    label = f"the {type(x).__name__}"
    if _format(x).get("type") in _FORMATS_THAT_COMPUTE:
        raise UnsupportedTypeError(
            "A data set must hold what is fitted. "
            f"Received: {label} with a transform, that makes it when it is read. "
            "Pass its batches, evenly.fit(x.iter(batch_size=1000), select=...), or fit what it "
            "holds: x.with_format(None)."
        )
    choice, axis = request.choice, request.feature_axis
    if request.select is None:
        return DatasetTable(x, choice, label)
    return _selected(x, choice, _one_name(request.select), axis, label)


class DatasetTable:
    """The columns of a data set that have one value a row."""

    def __init__(self, x: Any, choice: ColumnSelection, label: str) -> None:
        self._data, schema = _with_schema(x, label)
        self.label = label
        self.rows = _rows(x)
        self.nbytes: int | None = None
        arrays = _arrays(x, schema)
        self.fields = tuple(
            Field(field.name, arrays.get(field.name, field.kind))
            for field in fields_of(schema_of(schema, label), label)
        )
        if choice.columns is None and arrays:
            self._point_to(arrays)

    def _point_to(self, arrays: dict[str, str]) -> None:
        """Say how columns of arrays or images are fitted, which a table does not do."""
        plain = [field for field in self.fields if field.name not in arrays]
        name = next(iter(arrays))
        if any(field.is_numeric for field in plain):
            _log.warning(
                "%s: columns of one number a row are fitted, not %s. Pass select=%r to fit one "
                "of these.",
                printable(self.label.capitalize()),
                format_names(arrays),
                name,
            )
            return
        raise DataError(
            f"Of columns that hold arrays one must be selected. Received: {self.label} with "
            f"{format_names(arrays)}. Pass select={name!r}."
        )

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the batches."""
        with closing(self._data.batches(names)) as batches:
            for batch in batches:
                yield from stream_column_batches(open_stream(batch, self.label), names, self.label)


class _MapDataset:
    """A data set on this machine: mapped into memory, or in it."""

    def __init__(self, x: Any, label: str) -> None:
        self._x = x
        self._label = label

    def batches(self, names: tuple[str, ...]) -> Iterator[Any]:
        """Yield PyArrow's tables; where no rows were picked, the data where they lie."""
        chosen = self._x.select_columns(list(names))
        if chosen._indices is None:
            yield from _large_batches(chosen.data.table, self._label)
            return
        numbers = chosen._indices.column(0)
        yield from read_ahead(_take_rows(chosen.data.table, numbers, self._label))


def _take_rows(table: Any, numbers: Any, label: str) -> Iterator[Any]:
    """Yield rows of a table by their numbers; PyArrow follows the offsets of texts and lists.

    The library's own iteration gathers them one by one, in 24 µs a row of 32 columns; this takes
    3.5.
    """
    checked(table, label, full=True)
    for start in range(0, len(numbers), _ROWS):
        yield table.take(numbers.slice(start, _ROWS))


def _large_batches(table: Any, label: str) -> Iterator[Any]:
    """Yield a table's batches where they lie, or joined, where they are small.

    The library writes batches of 1000 rows. Each costs each of its columns some 20 µs, which is
    more than to sum it; to copy it costs less than one.
    """
    chunks = max((column.num_chunks for column in table.columns), default=0)
    if chunks * _ROWS <= table.num_rows or chunks <= 1:
        yield from table.to_batches()
        return
    checked(table, label)
    step = max(1, min(4 * _ROWS, _BYTES * table.num_rows // max(1, table.nbytes)))
    starts = range(0, table.num_rows, step)
    yield from read_ahead(table.slice(start, step).combine_chunks() for start in starts)


class _IterableDataset:
    """A data set that is read in order."""

    def __init__(self, x: Any) -> None:
        self._tables = iter(x.with_format("arrow").iter(_ROWS))
        self.first = next(self._tables, None)

    def batches(self, names: tuple[str, ...]) -> Iterator[Any]:
        """Yield PyArrow's tables."""
        first = () if self.first is None else (self.first,)
        yield from read_ahead(table.select(names) for table in chain(first, self._tables))


def _with_schema(x: Any, label: str) -> tuple[Any, Any]:
    """Return how to read a data set, and the schema of what is read."""
    if hasattr(x, "data"):
        schema = x.data.table.schema
        shown = _format(x).get("columns") or schema.names
        import pyarrow

        return _MapDataset(x, label), pyarrow.schema(
            [field for field in schema if field.name in shown]
        )
    streamed = _IterableDataset(x)
    if streamed.first is None:
        raise DataError("At least one row is needed. Received: the IterableDataset, with none.")
    return streamed, streamed.first.schema


def _arrays(x: Any, schema: Any) -> dict[str, str]:
    """Return the columns that hold images, or lists of numbers, and which of both."""
    features = x.features or {}
    found = {}
    for field in schema:
        if type(features.get(field.name)).__name__ == "Image":
            found[field.name] = "image"
        elif hasattr(getattr(field.type, "storage_type", field.type), "value_type"):
            found[field.name] = "array"
    return found


def _selected(
    x: Any, choice: ColumnSelection, name: str, feature_axis: int, label: str
) -> BatchSource:
    data, schema = _with_schema(x, label)
    if name not in schema.names:
        raise ColumnError(
            f"There must be a column of that name. Received: select={name!r}; {label} has "
            f"{format_names(schema.names)}.{suggest(name, schema.names)}"
        )
    if _arrays(x, schema).get(name) == "image":
        raise UnsupportedTypeError(
            "Images must be decoded to be fitted. "
            f"Received: column {name!r} of {label}. Pass the pixels of one after the other: "
            f"evenly.fit(numpy.asarray(row[{name!r}]) for row in x)."
        )

    def rows(column: Any, where: str) -> ArraySource:
        array = lists_to_array(column, name, f"{where} of {label}")
        return ArraySource(array, choice, feature_axis=feature_axis, label=where)

    columns = (part for table in data.batches((name,)) for part in _parts(table[name], label))
    return BatchSource(columns, rows, description=label, rows=None)


def _parts(column: Any, label: str) -> Iterator[Any]:
    """Yield the chunks of a column, cut to the size of a block."""
    for chunk in getattr(column, "chunks", [column]):
        checked(chunk, label, full=True)
        step = max(1, _BYTES * len(chunk) // max(1, chunk.nbytes))
        for start in range(0, len(chunk), step):
            yield chunk.slice(start, step)


def _format(x: Any) -> dict[str, Any]:
    """Return how a data set gives its rows, and which columns of it."""
    return dict(getattr(x, "format", None) or {})


def _one_name(select: Any) -> str:
    name = select[0] if isinstance(select, tuple | list) and len(select) == 1 else select
    if not isinstance(name, str):
        raise ColumnError(f"select= must name a column of a data set. Received: {select!r}.")
    return name


def _rows(x: Any) -> int | None:
    return len(x) if hasattr(x, "__len__") else None
