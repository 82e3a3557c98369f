"""Read CSV with PyArrow, one chunk at a time, with column types that may widen.

PyArrow's streaming reader fixes every type after the first block, and fails at the first decimal
in a column of integers. Here, types are inferred again for a chunk that does not convert. No data
has to be read twice: sums are exact, so a column may be integers in one chunk and floats in the
next.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from evenly import extras
from evenly.block import missing_column
from evenly.errors import DataError, SourceError
from evenly.sources.arrow_input import open_stream
from evenly.sources.files.csv_chunks import Chunk, chunks
from evenly.sources.files.csv_diagnostics import find_bad_field, find_bad_length
from evenly.sources.files.csv_header import is_number, split_header
from evenly.sources.files.streams import Stream
from evenly.sources.frames import stream_column_batches
from evenly.sources.group_keys import empty_as_missing
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors, empty_file_error
from evenly.sources.selection import NULL, NUMBER, Field
from evenly.sources.tables import ColumnBatch
from evenly.system.workers import outside_main_thread

MISSING = frozenset(
    [
        *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
        *("null", "NULL", "Null", "None", "none"),
    ]
)
"""The fields that mean a missing value, following PyArrow and pandas."""

_NULL_SPELLINGS = sorted(MISSING | {f" {text}" for text in MISSING})

_BOOLEANS = frozenset(["true", "True", "TRUE", "false", "False", "FALSE"])

_BLOCK = 2**20


class CsvTable:
    """A table in a CSV file.

    A column is numeric if its first non-missing value is a number; text further down is then an
    error. Types are inferred from the first 8 MB. The type of a column without values there is
    inferred when its first value is read.

    Parameters
    ----------
    stream
        The decompressed file.
    delimiter
        The field separator; None to detect it in the header.
    """

    def __init__(
        self, stream: Stream, label: str, nbytes: int | None, delimiter: str | None = None
    ) -> None:
        self._csv = extras.require("pyarrow.csv", extra="files", feature="Reading CSV")
        self._pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
        self.label = label
        self.nbytes = nbytes
        self.rows: int | None = None
        self._stream = stream
        self._chunks = chunks(stream)
        first = next(self._chunks, None)
        if first is None:
            raise empty_file_error(label)
        self._names, self._delimiter, self._first = split_header(first, delimiter, label)
        self._types: dict[str, Any] = {}
        self._skipped: set[str] = set()
        self._kinds = self._infer_types(self._first)

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return self._names

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns, with their types as known so far."""
        return tuple(Field(name, self._kinds[name]) for name in self._names)

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the columns of each chunk while the next chunk is decoded."""
        with decode_errors(self.label):
            yield from self._column_batches(names, keys)

    def _column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...]
    ) -> Iterator[ColumnBatch]:
        self._pin_key_types(keys)
        for table, nbytes in read_ahead(self._tables((*names, *keys))):
            available = tuple(
                name for name in names if name in table.column_names and name not in self._skipped
            )
            for batch in table.to_batches():
                by_name: dict[str, Any] = {}
                found: list[Any] = []
                stream = open_stream(batch, self.label, SourceError)
                for columns, _ in stream_column_batches(
                    stream, available, self.label, SourceError, keys
                ):
                    by_name = dict(zip(available, columns, strict=False))
                    found = [empty_as_missing(key) for key in columns[len(available) :]]
                missing = missing_column(batch.num_rows)
                values = (by_name.get(name, missing) for name in names)
                yield ColumnBatch((*values, *found), nbytes)
                nbytes = 0

    def _pin_key_types(self, keys: Iterable[str]) -> None:
        """Fix the types of key columns as inferred first; without a type, use text.

        A column that is integers in one chunk and text in the next would have both 1 and "1" as
        keys.
        """
        for name in keys:
            if self._kinds[name] in (NULL, "text") or name not in self._types:
                self._kinds[name] = "text"
                self._types[name] = self._pyarrow.string()

    def text(self, numbers: list[str]) -> Iterator[Any]:
        """Yield record batches with the given columns as float64 and all others as text."""
        types = {name: self._pyarrow.string() for name in self._names}
        types |= {name: self._pyarrow.float64() for name in numbers if name in types}
        with decode_errors(self.label):
            for chunk in self._all_chunks():
                yield from self._convert(chunk, self._names, types).to_batches()

    def _all_chunks(self) -> Iterator[Chunk]:
        yield self._first
        yield from self._chunks

    def _tables(self, names: tuple[str, ...]) -> Iterator[tuple[Any, int]]:
        for chunk in self._all_chunks():
            # Skip columns that were empty at first and then turned out not to be numeric.
            wanted = [name for name in names if name not in self._skipped]
            table = self._decode(chunk, wanted or list(names[:1]))
            if table.num_rows:
                yield table, self._stream.progress()

    def _decode(self, chunk: Chunk, names: list[str]) -> Any:
        """Return the columns of a chunk, with wider types than before if necessary."""
        known = {name: self._types[name] for name in names if name in self._types}
        try:
            table = self._read(chunk, names, known)
        except self._pyarrow.ArrowInvalid:
            fixed = {n: t for n, t in known.items() if self._kinds[n] not in (NUMBER, NULL)}
            table = self._convert(chunk, names, fixed)
        for name in names:
            self._update_type(name, table.schema.field(name).type, chunk)
        return table

    def _update_type(self, name: str, arrow_type: Any, chunk: Chunk) -> None:
        """Record the inferred type of a column; text in a numeric column is an error."""
        kind, known = self._column_kind(arrow_type), self._kinds[name]
        if kind == NULL:
            return
        if known == NUMBER and kind != NUMBER:
            raise self._conversion_error(chunk, {name: None})
        if known == NULL and kind != NUMBER:
            self._skipped.add(name)
        self._kinds[name] = kind
        self._types[name] = arrow_type

    def _convert(self, chunk: Chunk, names: list[str], types: dict[str, Any]) -> Any:
        """Read a chunk, and raise an error with the line number if that fails."""
        try:
            return self._read(chunk, names, types, len(chunk.data))
        except self._pyarrow.ArrowInvalid as error:
            ragged = find_bad_length(chunk, self._delimiter, self._names, self.label)
            raise ragged or self._conversion_error(chunk, types, str(error)) from None

    def _read(
        self, chunk: Chunk, names: list[str], types: dict[str, Any], block: int = _BLOCK
    ) -> Any:
        if not chunk.data.strip(b"\r\n"):
            empty = {name: self._pyarrow.nulls(0, types.get(name)) for name in names}
            return self._pyarrow.table(empty)
        # In the main thread PyArrow would handle SIGINT and SIGTERM, and raise ArrowCancelled
        # even if Python's handler does not raise; afterwards the process could abort at exit.
        data = self._arrow_copy(chunk.data)
        return outside_main_thread(
            lambda: self._csv.read_csv(
                self._pyarrow.BufferReader(data),
                self._csv.ReadOptions(column_names=self._names, block_size=max(block, _BLOCK)),
                self._csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=b'"' in chunk.data
                ),
                self._csv.ConvertOptions(
                    include_columns=names,
                    column_types=types,
                    null_values=_NULL_SPELLINGS,
                    check_utf8=False,
                ),
            )
        )

    def _arrow_copy(self, data: bytes) -> Any:
        """Return a copy of the data in memory owned by PyArrow.

        PyArrow's threads may release the last reference to the data after the reader has returned.
        For memory owned by Python they need the GIL, and abort the process if Python is exiting.
        """
        buffer = self._pyarrow.allocate_buffer(len(data))
        memoryview(buffer).cast("B")[:] = data
        return buffer

    def _infer_types(self, chunk: Chunk) -> dict[str, str]:
        """Return the kinds of all columns, inferred from the first chunk."""
        table = self._convert(chunk, self._names, {})
        kinds = {}
        for name, column in zip(self._names, table.columns, strict=True):
            kind = self._column_kind(column.type)
            if kind == "text" and self._begins_with_number(column):
                kind = NUMBER
            elif kind not in (NULL, "text"):
                self._types[name] = column.type
            kinds[name] = kind
        return kinds

    def _begins_with_number(self, column: Any) -> bool:
        for value in column:
            text = value.as_buffer().to_pybytes().decode(errors="replace") if value.is_valid else ""
            if text.strip() not in MISSING:
                return is_number(text)
        return False

    def _column_kind(self, arrow_type: Any) -> str:
        """Return the kind of a column, as `Field` has it, from its PyArrow type."""
        types = self._pyarrow.types
        if types.is_null(arrow_type):
            return NULL
        if types.is_integer(arrow_type) or types.is_floating(arrow_type):
            return NUMBER
        if types.is_boolean(arrow_type):
            return NUMBER
        if types.is_timestamp(arrow_type):
            return f"timestamp[{arrow_type.unit}]"
        if types.is_time(arrow_type):
            return f"time[{arrow_type.unit}]"
        return "date[day]" if types.is_date(arrow_type) else "text"

    def _conversion_error(self, chunk: Chunk, types: dict[str, Any], why: str = "") -> Exception:
        """Return the error for a field that does not fit its column."""
        checks = {name: self._field_check(arrow_type) for name, arrow_type in types.items()}
        error = find_bad_field(chunk, self._delimiter, self._names, checks, self.label)
        return error or DataError(
            "All lines of a CSV file must have the same columns. "
            f"Received: {self.label}, which cannot be read at line {chunk.line} or later: {why}"
        )

    def _field_check(self, arrow_type: Any) -> Any:
        """Return a function that checks fields against a type; None means numbers."""
        if arrow_type is None or self._column_kind(arrow_type) == NUMBER:
            return lambda text: text.strip() in MISSING or is_number(text) or text in _BOOLEANS
        array, invalid = self._pyarrow.array, self._pyarrow.ArrowInvalid

        def is_valid(text: str) -> bool:
            try:
                array([text]).cast(arrow_type)
            except invalid:
                return text in MISSING
            return True

        return is_valid
