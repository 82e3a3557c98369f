"""Data frames of any library, by the Arrow PyCapsule protocol; nothing is imported for it.

pandas has its own file, since most of its columns are NumPy arrays already. For the others
only this differs: how to leave out columns before they are made into Arrow data.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from evenly.errors import DataError
from evenly.sources.arrow import ColumnReader, column_kind, fields_of, series_reader
from evenly.sources.arrow_input import Error, open_stream, schema_of
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import Describe, object_errors
from evenly.sources.selection import Field
from evenly.sources.tables import ColumnBatch, Table

Project = Callable[[list[str]], Iterable[Any]]
"""From names to things with a capsule, that have at least these columns."""


class CapsuleTable:
    """A table of anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``.

    Parameters
    ----------
    schema
        The Arrow schema.
    project
        Gives the data, when it is read.
    rows
        How many, if that is known.
    """

    refusal: Describe | None = None
    """Makes the error for what the library of the data raises."""

    def __init__(self, schema: Any, project: Project, *, rows: int | None, label: str) -> None:
        self.fields = fields_of(schema, label)
        self.label = label
        self.rows = rows
        self.nbytes: int | None = None
        self._project = project

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the chunks as they come."""
        with object_errors(self.label, self.refusal):
            for data in self._project(list(names)):
                yield from stream_column_batches(open_stream(data, self.label), names, self.label)


class SeriesTable:
    """A column that has its table to itself: a Series, a ChunkedArray."""

    def __init__(self, stream: Any, *, name: str, rows: int | None, label: str) -> None:
        self._schema = stream.get_schema()
        self.fields = (Field(name, column_kind(self._schema)),)
        self.label = label
        self.rows = rows
        self.nbytes: int | None = None
        self._stream = stream

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the chunks as they come."""
        read = series_reader(self._schema, self.fields[0].name, self.label)
        with object_errors(self.label):
            for array in self._stream:
                column = read(array)
                yield ColumnBatch((column,), column.values.nbytes)


def stream_column_batches(
    stream: Any, names: tuple[str, ...], label: str, error: Error = DataError
) -> Iterator[ColumnBatch]:
    """Yield the named columns of each array of a stream; errors have this label and class."""
    reader = ColumnReader(stream.get_schema(), names, label, error)
    for array in stream:
        columns = reader.read(array)
        yield ColumnBatch(columns, sum(column.values.nbytes for column in columns))


def is_frame(x: Any) -> bool:
    """Whether something has named columns, or a column that is Arrow data."""
    return (
        hasattr(x, "__arrow_c_stream__")
        or hasattr(x, "__arrow_c_array__")
        or _is_instance(x, "pandas", "DataFrame", "Series")
        or _is_instance(x, "polars", "LazyFrame")
        or _is_instance(x, "pyarrow.dataset", "Dataset")
        or _has_batches(x)
    )


def open_frame(x: Any, label: str) -> Table:
    """Return a frame as a table.

    Raises
    ------
    SourceError
        When its library cannot read what the frame describes, such as the files of a lazy one.
    """
    with object_errors(label):
        return _open(x, label)


def _open(x: Any, label: str) -> Table:
    if _is_instance(x, "pandas", "DataFrame", "Series"):
        from evenly.sources.pandas_frames import PandasTable

        return PandasTable(x, label)
    if _is_instance(x, "polars", "LazyFrame"):
        empty = sys.modules["polars"].DataFrame(schema=x.collect_schema())
        schema = open_stream(empty, label).get_schema()
        return CapsuleTable(schema, lambda names: _lazy_batches(x, names), rows=None, label=label)
    if _is_instance(x, "pyarrow.dataset", "Dataset"):
        return _dataset_table(x, label)
    if _is_instance(x, "duckdb", "DuckDBPyRelation"):
        schema = open_stream(x.limit(0), label).get_schema()
        return CapsuleTable(
            schema, lambda names: [_duckdb_reader(x, names)], rows=None, label=label
        )
    return _reader_table(x, label) if _has_batches(x) else _capsule_table(x, label)


def _capsule_table(x: Any, label: str) -> Table:
    """Return a table of what has a capsule and nothing else that we know of."""
    stream = open_stream(x, label)
    schema = stream.get_schema()
    if schema.format != "+s":
        name = schema.name or getattr(x, "name", None) or ""
        return SeriesTable(stream, name=name, rows=_length(x), label=label)
    if hasattr(x, "select") and _is_instance(x, "polars", "DataFrame"):
        return CapsuleTable(schema, lambda names: [x.select(names)], rows=len(x), label=label)
    # A reader gives its stream once: keep the one from which the schema was taken.
    return CapsuleTable(schema, lambda names: [stream], rows=_length(x), label=label)


def _lazy_batches(frame: Any, names: list[str]) -> Iterable[Any]:
    chosen = frame.select(names)
    if hasattr(chosen, "collect_batches"):
        return chosen.collect_batches()  # type: ignore[no-any-return]
    return [chosen.collect(engine="streaming")]


def _duckdb_reader(relation: Any, names: list[str]) -> Any:
    """Return the columns of a DuckDB relation, as a reader of its running query."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    chosen = relation.project(", ".join(quoted))
    for method in ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch"):
        if hasattr(chosen, method):
            return getattr(chosen, method)(2**17)
    return chosen


def _has_batches(x: Any) -> bool:
    """Whether it has batches to be asked for: PyArrow's reader, a Flight stream, an ADBC cursor."""
    return (
        _is_instance(x, "pyarrow", "RecordBatchReader")
        or (hasattr(x, "read_chunk") and hasattr(x, "to_reader"))
        or hasattr(x, "fetch_record_batch")
    )


def _reader_table(x: Any, label: str) -> Table:
    """Return the batches as a table.

    PyArrow asks for them, since it lets other threads run while it waits for the network; one
    is fetched ahead.
    """
    for method in ("to_reader", "fetch_record_batch"):
        if hasattr(x, method):
            x = getattr(x, method)()
    schema = schema_of(x.schema, label)
    return CapsuleTable(schema, lambda names: read_ahead(iter(x)), rows=None, label=label)


def _dataset_table(dataset: Any, label: str) -> Table:
    """Return a PyArrow dataset as a table; it does its own reading ahead."""
    schema = schema_of(dataset.schema, label)
    return CapsuleTable(
        schema, lambda names: dataset.to_batches(columns=names), rows=None, label=label
    )


def _length(x: Any) -> int | None:
    return len(x) if hasattr(x, "__len__") else getattr(x, "num_rows", None)


def _is_instance(x: Any, module: str, *classes: str) -> bool:
    """Whether x is of a class of a module, which is imported if it is."""
    there = sys.modules.get(module)
    return there is not None and isinstance(
        x, tuple(getattr(there, name) for name in classes if hasattr(there, name))
    )
