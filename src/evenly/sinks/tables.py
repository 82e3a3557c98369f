"""Parquet, Arrow and CSV files, written one record batch at a time."""

import contextlib
import io
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from evenly import extras
from evenly.errors import DataError, EvenlyError, UnsupportedTypeError, first_line, format_names

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet


class TableSink:
    """A `Sink` that appends record batches with the schema of the first one."""

    def __init__(self, file: BinaryIO, suffix: str, *, header: bool = True) -> None:
        self._file = file
        self._suffix = suffix
        self._header = header
        self._writer: Any = None  # of `_WRITERS`, once the schema is known
        self._schema: Any = None  # that of the first batch

    def write(self, batch: object) -> None:
        """Append a record batch, or a 2-D array whose columns are named by index.

        Raises
        ------
        DataError
            When the columns differ from those of the first batch.
        UnsupportedTypeError
            When the format cannot represent a column.
        """
        batch = batch if hasattr(batch, "schema") else _as_batch(batch, self._suffix)
        if self._schema is None:
            is_arrow = _WRITERS[self._suffix] in (_arrow, _arrow_stream)
            self._schema = _without_categories(batch.schema) if is_arrow else batch.schema
        with self._convert_errors(batch):
            if self._writer is None:
                self._writer = _WRITERS[self._suffix](self._file, self._schema, self._header)
            self._writer.write_batch(self._conform(batch))

    def _conform(self, batch: "pyarrow.RecordBatch") -> "pyarrow.RecordBatch":
        """Return the batch with the column order and types of the first one."""
        schema = self._schema
        if batch.schema.equals(schema):
            return batch
        if set(batch.schema.names) != set(schema.names):
            raise DataError(
                "All files of a source must have the same columns. Received: "
                f"{format_names(schema.names)}, and then {format_names(batch.schema.names)}."
            )
        return batch.select(schema.names).cast(schema)

    @contextlib.contextmanager
    def _convert_errors(self, batch: "pyarrow.RecordBatch") -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, NotImplementedError, OSError) as error:
            if not _is_column_error(error):
                raise
            raise UnsupportedTypeError(
                f"A {self._suffix} file must be able to represent every column, in its type in "
                f"the first batch. Received: {self._unwritable_column(batch)}{first_line(error)}. "
                "Write another format, or leave the column out of the source."
            ) from None

    def _unwritable_column(self, batch: "pyarrow.RecordBatch") -> str:
        """Return the text for the first column that cannot be written by itself."""
        pyarrow = _pyarrow()
        for field, column in zip(batch.schema, batch.columns, strict=True):
            schema = pyarrow.schema([self._schema.field(field.name)])
            try:
                writer = _WRITERS[self._suffix](io.BytesIO(), schema, self._header)
                writer.write_batch(pyarrow.RecordBatch.from_arrays([column], schema=schema))
            except (ValueError, TypeError, NotImplementedError, OSError):
                return f"column {field.name!r} of type {field.type}: "
        return ""

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _is_column_error(error: Exception) -> bool:
    """Return whether PyArrow could not write the type of a column.

    It reports a type that Parquet does not have as an error of the file, without a number.
    """
    if isinstance(error, OSError):
        return error.errno is None and not isinstance(error, EvenlyError)
    return type(error).__module__.startswith("pyarrow")


def _pyarrow(module: str = "pyarrow") -> ModuleType:
    return extras.require(module, extra="files", feature="Writing Parquet, Arrow and CSV")


def _parquet(file: BinaryIO, schema: object, _: bool) -> "pyarrow.parquet.ParquetWriter":
    return _pyarrow("pyarrow.parquet").ParquetWriter(file, schema)


def _arrow(file: BinaryIO, schema: object, _: bool) -> "pyarrow.RecordBatchWriter":
    return _pyarrow("pyarrow.ipc").new_file(file, schema)


def _arrow_stream(file: BinaryIO, schema: object, _: bool) -> "pyarrow.RecordBatchWriter":
    return _pyarrow("pyarrow.ipc").new_stream(file, schema)


def _without_categories(schema: "pyarrow.Schema") -> "pyarrow.Schema":
    """Return a schema with categories replaced by their values.

    An Arrow file has one dictionary per column, but each input file has its own, and later ones
    are unknown when the first batch is written.
    """
    pyarrow = _pyarrow()
    fields = [
        field.with_type(field.type.value_type) if pyarrow.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pyarrow.schema(fields, schema.metadata)


def _csv(file: BinaryIO, schema: object, header: bool) -> "pyarrow.csv.CSVWriter":
    csv = _pyarrow("pyarrow.csv")
    options = csv.WriteOptions(include_header=header, quoting_style="needed")
    return csv.CSVWriter(file, schema, write_options=options)


_WRITERS: dict[str, Callable[[BinaryIO, Any, bool], Any]] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".arrows": _arrow_stream,
    ".feather": _arrow,
    ".ipc": _arrow,
    ".csv": _csv,
}


def _as_batch(array: Any, suffix: str) -> "pyarrow.RecordBatch":
    if array.ndim != 2:
        raise UnsupportedTypeError(
            f"A {suffix} file holds a table, which has two dimensions. Received: an array of "
            f"shape {array.shape}. Write .npy instead."
        )
    names = [str(column) for column in range(array.shape[1])]
    pyarrow = _pyarrow()
    return pyarrow.RecordBatch.from_arrays(
        [pyarrow.array(array[:, column]) for column in range(array.shape[1])], names
    )
