"""Read data frames of any library with the Arrow PyCapsule protocol, without importing it.

pandas has its own module because most of its columns are NumPy arrays already. Other libraries
differ only in how they select columns before converting them to Arrow data.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evenly import extras
from evenly.block import ColumnViews
from evenly.dispatch import has_record_batches, is_instance, with_article
from evenly.errors import DataError
from evenly.sources.array_batches import has_arrays, read_arrays
from evenly.sources.arrow_input import Error, OneArray, open_arrow_stream, schema_of
from evenly.sources.arrow_reader import ColumnReader, series_reader
from evenly.sources.arrow_schema import column_kind, fields_of
from evenly.sources.fields import Field
from evenly.sources.opener import SourceOpener
from evenly.sources.pandas_frames import PandasTable
from evenly.sources.polars_frames import exportable, has_wide_integers
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import MakeError, object_errors
from evenly.sources.relation_columns import expressible, is_read_as_text
from evenly.sources.selected_column import Part, SelectedColumn, array_column
from evenly.sources.selection import resolve_row_columns
from evenly.sources.source import Source
from evenly.sources.tables import ColumnBatch, Table

if TYPE_CHECKING:
    import duckdb
    import polars
    import pyarrow
    import pyarrow.dataset


Project = Callable[[list[str]], Iterable[Any]]
"""Take column names; return objects with Arrow capsules that have at least these columns."""


class CapsuleTable:
    """A table of objects with ``__arrow_c_stream__`` or ``__arrow_c_array__``.

    Parameters
    ----------
    schema
        The Arrow schema.
    project
        Return the data with some of the columns; called when the table is read.
    rows
        The number of rows; None if unknown.
    make_error
        Create the error for an exception of the library of the data; see `object_errors`.
    """

    def __init__(
        self,
        schema: object,
        project: Project,
        *,
        rows: int | None,
        label: str,
        make_error: MakeError | None = None,
    ) -> None:
        self.fields = fields_of(schema, label)
        self.label = label
        self.rows = rows
        self.nbytes: int | None = None
        self._project = project
        self._make_error = make_error

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the chunks in order."""
        with object_errors(self.label, self._make_error):
            for data in self._project([*names, *keys]):
                stream = self._open(data)
                yield from stream_column_batches(stream, names, self.label, keys=keys)

    def views(self, names: tuple[str, ...]) -> Iterator[ColumnViews]:
        """Yield the chunks in order, as the core takes them."""
        with object_errors(self.label, self._make_error):
            for data in self._project([*names]):
                stream = self._open(data)
                reader = ColumnReader(stream.get_schema(), names, self.label)
                yield from map(reader.view, stream)

    def _open(self, data: object) -> Any:
        return data if hasattr(data, "get_schema") else open_arrow_stream(data, self.label)

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield PyArrow record batches with some columns."""
        pyarrow = extras.require("pyarrow", extra="files", feature="Reading a column of arrays")
        with object_errors(self.label, self._make_error):
            for data in self._project(names):
                stream = self._open(data)
                if isinstance(stream, OneArray):
                    yield from map(pyarrow.record_batch, stream)
                else:
                    yield from pyarrow.RecordBatchReader.from_stream(stream)


class SeriesTable:
    """A table with a single column: a Series, a ChunkedArray."""

    def __init__(self, stream: Any, *, name: str, rows: int | None, label: str) -> None:
        self._schema = stream.get_schema()
        self.fields = (Field(name, column_kind(self._schema)),)
        self.label = label
        self.rows = rows
        self.nbytes: int | None = None
        self._stream = stream

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the chunks in order."""
        read = series_reader(self._schema, self.fields[0].name, self.label)
        with object_errors(self.label):
            for array in self._stream:
                column = read(array)
                yield ColumnBatch((column,), column.values.nbytes)


def stream_column_batches(
    stream: Any,
    names: tuple[str, ...],
    label: str,
    error: Error = DataError,
    keys: tuple[str, ...] = (),
) -> Iterator[ColumnBatch]:
    """Yield the named columns of each array in a stream; errors have this label and class."""
    reader = ColumnReader(stream.get_schema(), names, label, error, keys)
    for array in stream:
        columns = reader.read(array)
        yield ColumnBatch(columns, sum(column.nbytes for column in columns))


def open_frame(x: object, label: str, opener: SourceOpener) -> Source:
    """Open a frame as a source."""
    opener.check_no_file_options(x)
    label = "the table" if label == "the array" else label
    table = open_table(x, label)
    name = array_column(opener.options.select, table.fields)
    if name is not None and has_arrays(table):
        others = resolve_row_columns(opener.options.selection, table.fields, label)
        parts = [Part(label, read_arrays(table, name, others))]
        return opener.open(SelectedColumn(name, parts, others, table.rows), label)
    opener = opener.for_numbers(table.fields)
    opener.check_no_select(x)
    return opener.open_tables([table], with_article(type(x).__name__), table.rows, table.nbytes)


def open_table(x: object, label: str) -> Table:
    """Return a frame as a table.

    Raises
    ------
    SourceError
        If the library cannot read the frame's data, such as the files of a lazy frame.
    """
    with object_errors(label):
        return _open_table(x, label)


def _open_table(x: Any, label: str) -> Table:
    if is_instance(x, "pandas", "DataFrame", "Series"):
        return PandasTable(x, label)
    if is_instance(x, "polars", "LazyFrame"):
        empty = exportable(sys.modules["polars"].DataFrame(schema=x.collect_schema()))
        schema = open_arrow_stream(empty, label).get_schema()
        return CapsuleTable(schema, lambda names: _lazy_batches(x, names), rows=None, label=label)
    if is_instance(x, "pyarrow.dataset", "Dataset"):
        return _dataset_table(x, label)
    if is_instance(x, "duckdb", "DuckDBPyRelation"):
        return relation_table(x, label)
    return _reader_table(x, label) if has_record_batches(x) else _capsule_table(x, label)


def relation_table(
    relation: "duckdb.DuckDBPyRelation", label: str, make_error: MakeError | None = None
) -> Table:
    """Return a DuckDB relation as a table; its query runs when the table is read."""
    empty = relation.limit(0)
    if any(is_read_as_text(str(kind)) for kind in relation.types):
        empty = _project(empty, relation.columns)
    schema = open_arrow_stream(empty, label).get_schema()
    return CapsuleTable(
        schema,
        lambda names: [relation_reader(relation, names)],
        rows=None,
        label=label,
        make_error=make_error,
    )


def _capsule_table(x: Any, label: str) -> Table:
    """Return a table of an object with a capsule, without special handling of its library."""
    if is_instance(x, "polars", "Series"):
        x = exportable(x.to_frame())[x.name]
    stream = open_arrow_stream(x, label)
    schema = stream.get_schema()
    if schema.format != "+s":
        name = schema.name or getattr(x, "name", None) or ""
        return SeriesTable(stream, name=name, rows=_length(x), label=label)
    table = CapsuleTable(schema, _projection(x, stream), rows=_length(x), label=label)
    if "nested" in {column.kind for column in table.fields} and has_wide_integers(schema):
        return _capsule_table(exportable(x), label)
    return table


def _projection(x: Any, stream: Any) -> Project:
    """Return the function that selects columns; all of them are the stream with the schema.

    A reader can be exported only once, and exporting a wide frame takes a millisecond.
    """
    if is_instance(x, "polars", "DataFrame"):
        present, select = x.columns, x.__getitem__
    elif is_instance(x, "pyarrow", "Table", "RecordBatch"):
        present, select = x.schema.names, x.select
    else:
        return lambda names: [stream]
    unused = [stream]

    def project(names: list[str]) -> list[Any]:
        if names == present:
            return [unused.pop() if unused else x]
        return [select(names)]

    return project


def _lazy_batches(frame: "polars.LazyFrame", names: list[str]) -> Iterable[Any]:
    selected = frame.select(names)
    if hasattr(selected, "collect_batches"):
        return map(exportable, selected.collect_batches())
    return [exportable(selected.collect(engine="streaming"))]


def relation_reader(
    relation: "duckdb.DuckDBPyRelation", names: Sequence[str]
) -> "pyarrow.RecordBatchReader | duckdb.DuckDBPyRelation":
    """Return a reader of some columns of a DuckDB relation."""
    projection = _project(relation, names)
    for method in ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch"):
        if hasattr(projection, method):
            return getattr(projection, method)(2**17)
    return projection


def _project(
    relation: "duckdb.DuckDBPyRelation", names: Sequence[str]
) -> "duckdb.DuckDBPyRelation":
    """Return some columns of a DuckDB relation, as values that Arrow has."""
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return relation.project(", ".join(expressible(name, types[name]) for name in names))


def _reader_table(x: Any, label: str) -> Table:
    """Return the batches of a reader as a table.

    They are read with PyArrow, which releases the GIL while it waits for the network, and one
    batch is read ahead.
    """
    for method in ("to_reader", "fetch_record_batch"):
        if hasattr(x, method):
            x = getattr(x, method)()
    schema = schema_of(x.schema, label)
    return CapsuleTable(schema, lambda names: read_ahead(iter(x)), rows=None, label=label)


def _dataset_table(dataset: "pyarrow.dataset.Dataset", label: str) -> Table:
    """Return a PyArrow dataset as a table; it reads ahead by itself."""
    schema = schema_of(dataset.schema, label)
    return CapsuleTable(
        schema, lambda names: dataset.to_batches(columns=names), rows=None, label=label
    )


def _length(x: object) -> int | None:
    return len(x) if hasattr(x, "__len__") else getattr(x, "num_rows", None)
