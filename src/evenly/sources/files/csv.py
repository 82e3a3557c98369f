"""CSV, by PyArrow, a chunk at a time, with types that may widen as the file goes on.

PyArrow's own streaming reader fixes every type by the first block, and then fails at the
first decimal in a column of whole numbers. Here a chunk that does not convert is looked at
afresh. Nothing need be read twice: sums are exact, so a column may be whole numbers in one
chunk and floats in the next.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from evenly import extras
from evenly.errors import DataError, SourceError
from evenly.sources.arrow import missing_column
from evenly.sources.arrow_input import open_stream
from evenly.sources.files.csv_chunks import Chunk, chunks
from evenly.sources.files.csv_diagnostics import find_bad_field, find_bad_length
from evenly.sources.files.csv_header import is_number, split_header
from evenly.sources.files.streams import Stream
from evenly.sources.frames import stream_column_batches
from evenly.sources.group_keys import KeyName, empty_as_missing
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors
from evenly.sources.selection import NULL, NUMBER, Field
from evenly.sources.tables import ColumnBatch
from evenly.system.workers import outside_main_thread

MISSING = frozenset(
    [
        *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
        *("null", "NULL", "Null", "None", "none"),
    ]
)
"""The fields that stand for no value, after PyArrow's list and pandas'."""

_NULL_SPELLINGS = sorted(MISSING | {f" {text}" for text in MISSING})

_BOOLEANS = frozenset(["true", "True", "TRUE", "false", "False", "FALSE"])

_BLOCK = 2**20


class CsvTable:
    """One CSV file.

    A column is numeric when the first value in it that is not missing is a number: text
    further down is then an error. Kinds are judged by the first 8 MB, in which a column may
    have no value at all; it is judged when it gets one.

    Parameters
    ----------
    stream
        The decompressed file.
    delimiter
        None to take what the header has.
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
            raise SourceError(f"A file must not be empty. Received: {label}, of 0 bytes.")
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
        """The columns, as they are known so far."""
        return tuple(Field(name, self._kinds[name]) for name in self._names)

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield the chunks' columns, the next chunk being decoded meanwhile."""
        with decode_errors(self.label):
            yield from self._column_batches(names)

    def _column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        keyed = {name: name for name in names if isinstance(name, KeyName)}
        self._pin_key_types(keyed)
        for table, nbytes in read_ahead(self._tables(names)):
            there = tuple(
                keyed.get(name, name) for name in table.column_names if name not in self._skipped
            )
            for batch in table.to_batches():
                found: dict[str, Any] = {}
                stream = open_stream(batch, self.label, SourceError)
                for columns, _ in stream_column_batches(stream, there, self.label, SourceError):
                    found = dict(zip(there, columns, strict=True))
                found |= {name: empty_as_missing(found[name]) for name in keyed}
                missing = missing_column(batch.num_rows)
                yield ColumnBatch(tuple(found.get(name, missing) for name in names), nbytes)
                nbytes = 0

    def _pin_key_types(self, keyed: Iterable[str]) -> None:
        """Hold columns of keys to the kind that they have at first; what has none is text.

        A column that is whole numbers in one chunk and text in the next would have 1 and "1" as
        two keys.
        """
        for name in keyed:
            if self._kinds[name] in (NULL, "text") or name not in self._types:
                self._kinds[name] = "text"
                self._types[name] = self._pyarrow.string()

    def text(self, numbers: list[str]) -> Iterator[Any]:
        """Yield record batches of all columns: these as float64, the others as they stand."""
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
            # What was empty at first, and then no number, is no longer read.
            wanted = [name for name in names if name not in self._skipped]
            table = self._decode(chunk, wanted or list(names[:1]))
            if table.num_rows:
                yield table, self._stream.progress()

    def _decode(self, chunk: Chunk, names: list[str]) -> Any:
        """Return a chunk's columns, in wider types than before where that is needed."""
        known = {name: self._types[name] for name in names if name in self._types}
        try:
            table = self._read(chunk, names, known)
        except self._pyarrow.ArrowInvalid:
            fixed = {n: t for n, t in known.items() if self._kinds[n] not in (NUMBER, NULL)}
            table = self._convert(chunk, names, fixed)
        for name in names:
            self._update_type(name, table.schema.field(name).type, chunk)
        return table

    def _update_type(self, name: str, found: Any, chunk: Chunk) -> None:
        """Remember what a column turned out to be; text in a numeric column is an error."""
        kind, known = self._kind(found), self._kinds[name]
        if kind == NULL:
            return
        if known == NUMBER and kind != NUMBER:
            raise self._conversion_error(chunk, {name: None})
        if known == NULL and kind != NUMBER:
            self._skipped.add(name)
        self._kinds[name] = kind
        self._types[name] = found

    def _convert(self, chunk: Chunk, names: list[str], types: dict[str, Any]) -> Any:
        """Read a chunk; what makes that impossible is an error with its line."""
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
        # In the main thread PyArrow would take over SIGINT and SIGTERM, and raise ArrowCancelled
        # even where Python's handler does not; and after one the process could abort at its end.
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
        """Return a copy in memory that PyArrow owns.

        PyArrow's threads may release the last reference to the data after the reader has returned.
        For memory that Python owns they need the GIL, and abort the process while Python exits.
        """
        buffer = self._pyarrow.allocate_buffer(len(data))
        memoryview(buffer).cast("B")[:] = data
        return buffer

    def _infer_types(self, chunk: Chunk) -> dict[str, str]:
        """Return the kinds of all columns, by the first chunk."""
        table = self._convert(chunk, self._names, {})
        kinds = {}
        for name, column in zip(self._names, table.columns, strict=True):
            kind = self._kind(column.type)
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

    def _kind(self, found: Any) -> str:
        types = self._pyarrow.types
        if types.is_null(found):
            return NULL
        if types.is_integer(found) or types.is_floating(found) or types.is_boolean(found):
            return NUMBER
        if types.is_timestamp(found):
            return f"timestamp[{found.unit}]"
        if types.is_time(found):
            return f"time[{found.unit}]"
        return "date[day]" if types.is_date(found) else "text"

    def _conversion_error(self, chunk: Chunk, types: dict[str, Any], why: str = "") -> Exception:
        """Return the error for a field that does not fit its column."""
        checks = {name: self._check(kind) for name, kind in types.items()}
        found = find_bad_field(chunk, self._delimiter, self._names, checks, self.label)
        return found or DataError(
            "A CSV file must have the same columns in every line. "
            f"Received: {self.label}, which cannot be read at line {chunk.line} or later: {why}"
        )

    def _check(self, kind: Any) -> Any:
        """Return what says whether a field is of a type; numbers when it is None."""
        if kind is None or self._kind(kind) == NUMBER:
            return lambda text: text.strip() in MISSING or is_number(text) or text in _BOOLEANS
        array, invalid = self._pyarrow.array, self._pyarrow.ArrowInvalid

        def fits(text: str) -> bool:
            try:
                array([text]).cast(kind)
            except invalid:
                return text in MISSING
            return True

        return fits
