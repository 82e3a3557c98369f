"""Parquet, Arrow and CSV files, written one record batch at a time."""

import contextlib
import io
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from evenly import extras
from evenly.errors import DataError, UnsupportedTypeError, first_line, format_names
from evenly.sinks.columns import as_field, with_plain_types

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet


class TableSink:
    """A `Sink` that appends record batches with the schema of the first one.

    Parameters
    ----------
    rounded
        The columns whose floats may be rounded to the type that they have in the first batch.
    """

    def __init__(
        self, file: BinaryIO, suffix: str, *, header: bool = True, rounded: Collection[str] = ()
    ) -> None:
        self._file = file
        self._suffix = suffix
        self._header = header
        self._rounded = rounded
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
        rows: Any = batch if hasattr(batch, "schema") else _as_batch(batch, self._suffix)
        if _WRITERS[self._suffix] is _csv:
            rows = with_plain_types(rows)
        if self._writer is None:
            self._schema = rows.schema
            if _WRITERS[self._suffix] in (_arrow, _arrow_stream):
                self._schema = _without_categories(rows.schema)
        rows = self._conform(rows)
        with self._convert_errors(rows):
            if self._writer is None:
                self._writer = self._open_writer(self._file, self._schema)
            self._writer.write_batch(rows)

    def _open_writer(self, file: BinaryIO, schema: "pyarrow.Schema") -> Any:
        return _WRITERS[self._suffix](file, schema, self._header)

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
        columns = [
            as_field(batch.column(field.name), field, may_round=field.name in self._rounded)
            for field in schema
        ]
        return _pyarrow().RecordBatch.from_arrays(columns, schema=schema)

    @contextlib.contextmanager
    def _convert_errors(self, batch: "pyarrow.RecordBatch") -> Iterator[None]:
        """Name the column that the format cannot represent in an error."""
        try:
            yield
        except (ValueError, TypeError, NotImplementedError, OSError) as error:
            # PyArrow reports a type that Parquet does not have as an error of the file.
            is_system = isinstance(error, OSError) and error.errno is not None
            if is_system or not (
                isinstance(error, OSError) or type(error).__module__.startswith("pyarrow")
            ):
                raise
            found = next(filter(None, map(self._refusal, _single_columns(batch))), None)
            raise _column_error(self._suffix, error, found) from None

    def _refusal(self, batch: "pyarrow.RecordBatch") -> str | None:
        """Return why a column cannot be written; None if it can."""
        try:
            with self._open_writer(io.BytesIO(), batch.schema) as writer:
                writer.write_batch(batch)
        except Exception as error:
            return f"column {batch.schema.names[0]!r}: {first_line(error)}"
        return None

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _single_columns(batch: "pyarrow.RecordBatch") -> Iterator["pyarrow.RecordBatch"]:
    """Yield the columns of a batch as batches of one column."""
    for index in range(batch.num_columns):
        yield batch.select([index])


def _column_error(suffix: str, error: Exception, found: str | None) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        f"A {suffix} file must be able to represent every column. Received: "
        f"{found or first_line(error)}. "
        "Write another format, or leave the column out of the source."
    )


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
