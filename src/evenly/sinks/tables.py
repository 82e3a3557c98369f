"""Parquet, Arrow and CSV files, a record batch at a time."""

from collections.abc import Callable
from typing import Any, BinaryIO

from evenly import extras
from evenly.errors import UnsupportedTypeError


class TableSink:
    """Append record batches; the first one brings the schema."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        self._file = file
        self._suffix = suffix
        self._writer: Any = None

    def write(self, part: Any) -> None:
        """Append a record batch, or an array of two dimensions with its columns numbered."""
        batch = part if hasattr(part, "schema") else _as_batch(part, self._suffix)
        if self._writer is None:
            self._writer = _WRITERS[self._suffix](self._file, batch.schema)
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _pyarrow(module: str = "pyarrow") -> Any:
    return extras.require(module, extra="files", feature="Writing Parquet, Arrow and CSV")


def _parquet(file: BinaryIO, schema: Any) -> Any:
    return _pyarrow("pyarrow.parquet").ParquetWriter(file, schema)


def _arrow(file: BinaryIO, schema: Any) -> Any:
    return _pyarrow("pyarrow.ipc").new_file(file, schema)


def _csv(file: BinaryIO, schema: Any) -> Any:
    csv = _pyarrow("pyarrow.csv")
    return csv.CSVWriter(file, schema, write_options=csv.WriteOptions(quoting_style="needed"))


_WRITERS: dict[str, Callable[[BinaryIO, Any], Any]] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".ipc": _arrow,
    ".csv": _csv,
}


def _as_batch(array: Any, suffix: str) -> Any:
    if array.ndim != 2:
        raise UnsupportedTypeError(
            f"A table has two dimensions. Received: an array of shape {array.shape}, to be "
            f"written as {suffix}. Write .npy instead."
        )
    names = [str(column) for column in range(array.shape[1])]
    pyarrow = _pyarrow()
    return pyarrow.RecordBatch.from_arrays(
        [pyarrow.array(array[:, column]) for column in range(array.shape[1])], names
    )
