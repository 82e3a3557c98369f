"""Read CSV with PyArrow, one chunk at a time, with column types that may widen.

PyArrow's streaming reader fixes every type after the first block, and fails at the first decimal
in a column of integers. Here, types are inferred again for a chunk that does not convert. No data
has to be read twice: sums are exact, so a column may be integers in one chunk and floats in the
next.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evenly import extras
from evenly.block import missing_column
from evenly.errors import ColumnError, SourceError
from evenly.sources.arrow_input import open_arrow_stream
from evenly.sources.fields import Field
from evenly.sources.files.csv_chunks import CsvChunk, chunks
from evenly.sources.files.csv_columns import ColumnDecoder
from evenly.sources.files.csv_header import split_header
from evenly.sources.files.csv_options import DEFAULT_FORMAT, CsvFormat
from evenly.sources.files.csv_text import open_text
from evenly.sources.files.streams import Stream
from evenly.sources.frames import stream_column_batches
from evenly.sources.group_keys import empty_as_missing
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import decode_errors, empty_file_error
from evenly.sources.tables import ColumnBatch

if TYPE_CHECKING:
    import pyarrow


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
        The delimiter that the name of the file implies; None to detect it.
    options
        How the file is written.
    """

    def __init__(
        self,
        stream: Stream,
        label: str,
        nbytes: int | None,
        delimiter: str | None = None,
        options: CsvFormat = DEFAULT_FORMAT,
    ) -> None:
        self._pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
        self.label = label
        self.nbytes = nbytes
        self.rows: int | None = None
        self._stream = stream
        self._chunks = chunks(open_text(stream, options, label))
        first = next(self._chunks, None)
        if first is None:
            raise empty_file_error(label)
        header, self._first = split_header(first, options, label, delimiter)
        self._decoder = ColumnDecoder(header, self._first, options, label)
        self._columns = self._decoder.columns
        self._names = [header.names[index] for index in self._columns]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns, with their types as known so far."""
        return tuple(
            Field(name, self._decoder.kinds[index])
            for name, index in zip(self._names, self._columns, strict=True)
        )

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield the columns of each chunk while the next chunk is decoded."""
        with decode_errors(self.label):
            yield from self._column_batches(names, keys)

    def _column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...]
    ) -> Iterator[ColumnBatch]:
        self._decoder.pin_keys(map(self._index_of, keys))
        self._decoder.log_remarks(map(self._index_of, (*names, *keys)))
        for table, nbytes in read_ahead(self._tables((*names, *keys))):
            available = tuple(
                name
                for name in names
                if name in table.column_names and self._index_of(name) not in self._decoder.skipped
            )
            for batch in table.to_batches():
                by_name: dict[str, Any] = {}
                found: list[Any] = []
                stream = open_arrow_stream(batch, self.label, SourceError)
                for columns, _ in stream_column_batches(
                    stream, available, self.label, SourceError, keys
                ):
                    by_name = dict(zip(available, columns, strict=False))
                    found = [empty_as_missing(key) for key in columns[len(available) :]]
                missing = missing_column(batch.num_rows)
                values = (by_name.get(name, missing) for name in names)
                yield ColumnBatch((*values, *found), nbytes)
                nbytes = 0

    def _index_of(self, name: str) -> int:
        return self._columns[self._names.index(name)]

    def _tables(self, names: tuple[str, ...]) -> "Iterator[tuple[pyarrow.Table, int]]":
        wanted = [self._index_of(name) for name in names]
        for chunk in self._all_chunks():
            # Skip columns that were empty at first and then turned out not to be numeric.
            columns = [index for index in wanted if index not in self._decoder.skipped]
            for table in self._decoder.decode(chunk, columns or wanted[:1]):
                if table.num_rows:
                    yield self._named(table), self._stream.progress()

    def _named(self, table: "pyarrow.Table") -> "pyarrow.Table":
        """Return a table with the names of its columns, which are indices."""
        indices = map(int, table.column_names)
        return table.rename_columns([self._names[self._columns.index(i)] for i in indices])

    def _all_chunks(self) -> Iterator[CsvChunk]:
        yield self._first
        yield from self._chunks

    def batches_to_scale(self, dtypes: Mapping[str, str]) -> "Iterator[pyarrow.RecordBatch]":
        """Yield record batches of all columns: numbers and times to scale, all others as text.

        Parameters
        ----------
        dtypes
            The columns to scale, and the dtypes with which they were fitted.

        Raises
        ------
        ColumnError
            If two columns have the same name.
        """
        self._check_unique()
        scaled = [self._index_of(name) for name in self._names if name in dtypes]
        copied = [index for index in self._columns if index not in scaled]
        self._decoder.require_numbers(scaled)
        self._decoder.log_remarks(scaled)
        with decode_errors(self.label):
            for chunk in self._all_chunks():
                yield from self._scaled_and_copied(chunk, scaled, copied, dtypes)

    def _scaled_and_copied(
        self, chunk: CsvChunk, scaled: list[int], copied: list[int], dtypes: Mapping[str, str]
    ) -> "Iterator[pyarrow.RecordBatch]":
        text = self._decoder.text(chunk, copied)
        row = 0
        for numbers in self._decoder.decode(chunk, scaled or copied[:1]):
            columns = {}
            for name, index in zip(self._names, self._columns, strict=True):
                if index in scaled:
                    columns[name] = as_fitted(numbers.column(str(index)), dtypes[name])
                else:
                    columns[name] = text.column(str(index)).slice(row, numbers.num_rows)
            row += numbers.num_rows
            yield from self._pyarrow.table(columns).combine_chunks().to_batches()

    def _check_unique(self) -> None:
        for name, number in Counter(self._names).items():
            if number > 1:
                raise ColumnError(
                    f"Every column needs a name of its own. Received: {name!r} {number} times in "
                    f"{self.label}. Rename one."
                )


def as_fitted(column: "pyarrow.ChunkedArray", dtype: str) -> "pyarrow.ChunkedArray":
    """Return a column in the unit of time with which it was fitted; ``"1.5"`` has no unit."""
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
    unit = dtype.partition("[")[2].rstrip("]")
    if pyarrow.types.is_null(column.type):
        return column.cast(pyarrow.timestamp(unit) if dtype.startswith("timestamp") else "float64")
    if pyarrow.types.is_timestamp(column.type) and dtype.startswith("timestamp["):
        return column.cast(pyarrow.timestamp(unit, column.type.tz))
    return column
