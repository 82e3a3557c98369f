"""Parquet, by PyArrow, a batch of rows at a time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.arrow import ColumnReader, fields_of
from evenly.sources.arrow_input import open_array, schema_of
from evenly.sources.files.parquet_pages import PageCheck
from evenly.sources.group_keys import KeyName
from evenly.sources.prefetch import read_ahead
from evenly.sources.read_errors import corrupt_file_error, decode_errors
from evenly.sources.tables import ColumnBatch, ColumnChunk

_BATCH_BYTES = 32 * 2**20
_BATCH_ROWS = 2**16
"""A batch: large enough that what a column of a batch costs hardly shows.

On 5.6 million rows × 64 columns, two cores: batches of 2**14 rows reach 0.65 of the speed of
decoding alone, 2**16 rows 0.86, 2**17 rows 0.92; but these take 460 MB instead of 380.
"""

_KEYED_BYTES = 64 * 2**20
_KEYED_ROWS = 2**20
"""A batch of rows by group: each batch costs each of the groups in it and their columns, so that
there should be several rows of a group in it, however many groups there are."""

_PART_BYTES = 4 * 2**20
_PART_ROWS = 2**17
"""A batch of a part: it stays in a core's share of the cache until it is summed."""

_BUFFERS = 64 * 2**20
_BUFFER = 2**12, 2**18
"""Each column is read through a buffer of its own, of at least and at most so many bytes.

PyArrow's other way, to fetch whole row groups beforehand, takes memory for all of them: on
8 million rows × 64 float32 2.2 GB instead of 0.3, and is no faster from a local disk.
"""


class ParquetTable:
    """One Parquet file.

    Parameters
    ----------
    file
        A path on this machine, or an open file.
    label
        Its name, for messages.
    check
        Called after each part was read: raises when the file has changed.
    """

    def __init__(
        self,
        file: str | BinaryIO,
        label: str,
        nbytes: int | None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        parquet = extras.require("pyarrow.parquet", extra="files", feature="Reading Parquet")
        self.label = label
        self.nbytes = nbytes
        self._file = file
        self._check = check
        self._parquet = parquet
        with decode_errors(label), parquet.ParquetFile(file) as opened:
            self._metadata = opened.metadata
            self.rows: int | None = self._metadata.num_rows
            schema = opened.schema_arrow
            self.fields = fields_of(schema_of(schema, label, SourceError), label, SourceError)
            self._widths = {field.name: _width(field.type) for field in schema}
        self._local = isinstance(file, str)
        self._pages = PageCheck(file, self._metadata, label) if isinstance(file, str) else None

    def column_batches(self, names: tuple[str, ...]) -> Iterator[ColumnBatch]:
        """Yield batches of at most 32 MB.

        PyArrow decodes the columns of a batch on all cores, so that reading ahead would only
        drive the batch out of the cache: on two cores 0.81 instead of 0.86 of the speed of
        decoding alone. From elsewhere it is the waiting that counts.
        """
        batches = self.batches(list(names))
        with decode_errors(self.label):
            yield from self._read(
                batches if self._local else read_ahead(batches), names, self.nbytes or 0
            )

    def _read(
        self, batches: Iterator[Any], names: tuple[str, ...], nbytes: int
    ) -> Iterator[ColumnBatch]:
        """Yield batches of columns that take so many bytes of the file."""
        reader: ColumnReader | None = None
        for batch in batches:
            array = open_array(batch, self.label, SourceError)
            reader = reader or ColumnReader(array.schema, names, self.label, SourceError)
            yield ColumnBatch(reader.read(array), nbytes * batch.num_rows // max(1, self.rows or 0))
            del batch, array  # before the next one is decoded: that is half of the memory

    def column_chunks(self, names: tuple[str, ...]) -> Iterator[ColumnChunk]:
        """Yield some columns of a row group at a time; those of a file from elsewhere as a whole.

        A thread of its own decodes a part and sums it: no thread waits for another, and what
        it has decoded is still in its cache.
        """
        if not self._local:
            yield ColumnChunk(0, self.rows or 0, 0, self.column_batches(names))
            return
        readers: list[Any] = []
        width = self._width_of(names)
        row = 0
        for group in range(self._metadata.num_row_groups):
            rows = self._metadata.row_group(group).num_rows
            for first, stop in self._cuts(names, rows):
                some = names[first:stop]
                nbytes = (self.nbytes or 0) * self._width_of(some) // width
                yield ColumnChunk(row, rows, first, self._part(group, some, nbytes, readers))
            row += rows

    def _cuts(self, names: tuple[str, ...], rows: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of columns of which a batch has the size of a part."""
        room = max(1, _PART_BYTES // max(1, min(_PART_ROWS, rows)))
        first = taken = 0
        for index, name in enumerate(names):
            width = self._width_of((name,))
            if index > first and taken + width > room:
                yield first, index
                first, taken = index, 0
            taken += width
        yield first, len(names)

    def _part(
        self, group: int, names: tuple[str, ...], nbytes: int, readers: list[Any]
    ) -> Iterator[ColumnBatch]:
        """Yield the batches of a part. Readers are left for the next part: no thread shares one."""
        with decode_errors(self.label):
            self._check_pages(group, names)
            opened = readers.pop() if readers else self._open(len(names))
            batches = opened.iter_batches(
                _PART_ROWS, row_groups=[group], columns=list(names), use_threads=False
            )
            rows = self._metadata.row_group(group).num_rows
            yield from self._read(self._complete(batches, rows), names, nbytes)
            readers.append(opened)
        self._check()

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield PyArrow's record batches."""
        with decode_errors(self.label), self._open(len(names)) as opened:
            rows = self._batch_rows(names)
            if self._local:
                for group in range(opened.num_row_groups):
                    self._check_pages(group, names)
                batches = opened.iter_batches(rows, columns=names)
            else:
                batches = chain.from_iterable(
                    opened.iter_batches(rows, row_groups=[group], columns=names)
                    for group in range(opened.num_row_groups)
                )
            yield from self._complete(batches, self.rows or 0)

    def _check_pages(self, group: int, names: Iterable[str]) -> None:
        if self._pages is not None:
            self._pages.check(group, names)

    def _complete(self, batches: Iterator[Any], rows: int) -> Iterator[Any]:
        """Yield batches that must have so many rows together.

        Where a file ends too early, PyArrow takes the end of its bytes for that of its rows.

        Raises
        ------
        SourceError
            When there are fewer.
        """
        missing = rows
        for batch in batches:
            missing -= batch.num_rows
            yield batch
            del batch  # before the next one is decoded
        if missing:
            raise corrupt_file_error(
                self.label, f"{missing:,} of {rows:,} rows are missing where its footer has them"
            )

    def _open(self, columns: int) -> Any:
        """Return PyArrow's reader; from elsewhere it fetches a row group at a time."""
        if not self._local:
            return self._parquet.ParquetFile(self._file, pre_buffer=True)
        smallest, largest = _BUFFER
        buffer = min(max(_BUFFERS // max(1, columns), smallest), largest)
        return self._parquet.ParquetFile(
            self._file, metadata=self._metadata, buffer_size=buffer, pre_buffer=False
        )

    def _batch_rows(self, names: list[str]) -> int:
        rows, nbytes = _BATCH_ROWS, _BATCH_BYTES
        if any(isinstance(name, KeyName) for name in names):
            rows, nbytes = _KEYED_ROWS, _KEYED_BYTES
        return max(1, min(rows, nbytes // self._width_of(names)))

    def _width_of(self, names: Iterable[str]) -> int:
        """Return the bytes that a row of these columns takes."""
        return max(1, sum(self._widths.get(name, 8) for name in names))


def _width(kind: Any) -> int:
    """Return the bytes that a value takes; 8 for those that say nothing of it."""
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return 8
