"""Read chunks of a CSV file with PyArrow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evenly import extras
from evenly.sources.files.csv_chunks import CsvChunk
from evenly.sources.files.csv_numbers import Notation
from evenly.system.workers import outside_main_thread

if TYPE_CHECKING:
    import pyarrow


_BLOCK = 2**20


class ChunkReader:
    """Read columns of chunks, which are named by their index: ``"0"``, ``"1"``.

    Names in a file may occur twice, and PyArrow selects columns by name.

    Parameters
    ----------
    width
        The number of columns.
    delimiter
        The delimiter.
    notation
        How numbers are written.
    """

    def __init__(self, width: int, delimiter: str, notation: Notation) -> None:
        self._csv = extras.require("pyarrow.csv", extra="files", feature="Reading CSV")
        self._pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
        self._names = [str(index) for index in range(width)]
        self._delimiter = delimiter
        self.notation = notation

    def read(
        self,
        chunk: CsvChunk,
        columns: Sequence[int],
        types: "dict[int, pyarrow.DataType]",
        *,
        whole: bool = False,
    ) -> "pyarrow.Table":
        """Return columns of a chunk as a PyArrow table.

        Parameters
        ----------
        types
            The types of some of the columns; the others are inferred.
        whole
            Whether to infer the types from the whole chunk. By default PyArrow infers them from
            the first megabyte, and raises ArrowInvalid if the rest has another type.
        """
        names = [self._names[index] for index in columns]
        by_name = {self._names[index]: kind for index, kind in types.items()}
        if not chunk.data.strip(b"\r\n"):
            empty = {name: self._pyarrow.nulls(0, by_name.get(name)) for name in names}
            return self._pyarrow.table(empty)
        # In the main thread PyArrow would handle SIGINT and SIGTERM, and raise ArrowCancelled
        # even if Python's handler does not raise; afterwards the process could abort at exit.
        data = self._arrow_copy(chunk.data)
        block = max(len(chunk.data), _BLOCK) if whole else _BLOCK
        table = outside_main_thread(
            lambda: self._csv.read_csv(
                self._pyarrow.BufferReader(data),
                self._csv.ReadOptions(column_names=self._names, block_size=block),
                self._csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=b'"' in chunk.data
                ),
                self._csv.ConvertOptions(
                    include_columns=names,
                    column_types=by_name,
                    null_values=self._null_values(),
                    decimal_point=self.notation.decimal,
                    check_utf8=False,
                ),
            )
        )
        return self._without_hexadecimals(table, chunk)

    def _without_hexadecimals(self, table: "pyarrow.Table", chunk: CsvChunk) -> "pyarrow.Table":
        """Return columns with fields such as 0x1F, which PyArrow takes for integers, as text."""
        if b"0x" not in chunk.data and b"0X" not in chunk.data:
            return table
        compute = extras.require("pyarrow.compute", extra="files", feature="Reading CSV")
        fields = [field for field in table.schema if self._pyarrow.types.is_integer(field.type)]
        if not fields:
            return table
        text = self.text(chunk, [int(field.name) for field in fields])
        for name, column in zip(text.column_names, text.columns, strict=True):
            if compute.any(compute.match_substring_regex(column, "0[xX]")).as_py():
                table = table.set_column(table.column_names.index(name), name, column)
        return table

    def text(self, chunk: CsvChunk, columns: Sequence[int]) -> "pyarrow.Table":
        """Return columns of a chunk as text."""
        return self.read(chunk, columns, dict.fromkeys(columns, self._pyarrow.string()), whole=True)

    def converts(self, text: str, arrow_type: object) -> bool:
        """Return whether a field can be converted to a type."""
        quoted = text.replace('"', '""')
        line = f'"{quoted}"'.encode()
        single = ChunkReader(1, self._delimiter, self.notation)
        try:
            single.read(CsvChunk(line, 1), [0], {0: arrow_type})
        except self._pyarrow.ArrowInvalid:
            return False
        return True

    def _null_values(self) -> list[str]:
        return sorted(self.notation.missing | {f" {text}" for text in self.notation.missing})

    def _arrow_copy(self, data: bytes) -> "pyarrow.Buffer":
        """Return a copy of the data in memory owned by PyArrow.

        PyArrow's threads may release the last reference to the data after the reader has returned.
        For memory owned by Python they need the GIL, and abort the process if Python is exiting.
        """
        buffer = self._pyarrow.allocate_buffer(len(data))
        memoryview(buffer).cast("B")[:] = data
        return buffer
