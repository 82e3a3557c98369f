"""Decode the columns of CSV chunks with types that may widen."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from evenly import extras
from evenly.printable import printable
from evenly.sources.fields import NULL, NUMBER
from evenly.sources.files.csv_chunks import CsvChunk
from evenly.sources.files.csv_diagnostics import (
    Check,
    find_bad_field,
    find_bad_length,
    unreadable_error,
)
from evenly.sources.files.csv_header import Header
from evenly.sources.files.csv_inference import (
    infer_kinds,
    infer_notation,
    kind_of,
    unnamed_columns,
)
from evenly.sources.files.csv_numbers import (
    MISSING_TEXTS,
    Notation,
    as_missing,
    integer_runs,
    is_mark,
    needs_integers,
    numbers_from_text,
)
from evenly.sources.files.csv_options import CsvFormat
from evenly.sources.files.csv_reader import ChunkReader
from evenly.sources.files.csv_remarks import NumberColumn, leading_zeros, points_of_thousands

if TYPE_CHECKING:
    import pyarrow


_log = logging.getLogger("evenly")


class ColumnDecoder:
    """Decode the columns of chunks.

    Parameters
    ----------
    header
        The names of the columns, and the delimiter.
    first
        The first chunk, from which types are inferred.
    options
        How the file is written.

    Attributes
    ----------
    kinds
        The kind of each column, as `Field` has it.
    skipped
        Columns that were empty at first and turned out not to be numeric.
    """

    def __init__(self, header: Header, first: CsvChunk, options: CsvFormat, label: str) -> None:
        self._pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
        self._header = header
        self._label = label
        notation = Notation(
            options.decimal or ".", options.thousands or "", MISSING_TEXTS | {*options.missing}
        )
        self._reader = ChunkReader(header.width, header.delimiter, notation)
        self._types: dict[int, pyarrow.DataType] = {}
        self._fillers: tuple[int, ...] = ()
        self._remarks: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.kinds = self._infer_kinds(first, options.decimal is None and not options.thousands)

    @property
    def columns(self) -> list[int]:
        """The indices of the columns, without empty ones that have no name."""
        return [index for index in range(self._header.width) if index not in self._fillers]

    def pin_keys(self, columns: Iterable[int]) -> None:
        """Fix the types of key columns as inferred first; without a type, use text.

        A column that is integers in one chunk and text in the next would have both 1 and "1" as
        keys.
        """
        for index in columns:
            if self.kinds[index] in (NULL, "text") or index not in self._types:
                self.kinds[index] = "text"
                self._types[index] = self._pyarrow.string()

    def require_numbers(self, columns: Iterable[int]) -> None:
        """Make text in columns an error, even if they begin with text."""
        for index in columns:
            if self.kinds[index] == "text":
                self.kinds[index] = NUMBER

    def text(self, chunk: CsvChunk, columns: Sequence[int]) -> "pyarrow.Table":
        """Return columns of a chunk as text."""
        return self._read_whole(chunk, columns, dict.fromkeys(columns, self._pyarrow.string()))

    def decode(self, chunk: CsvChunk, columns: Sequence[int]) -> "Iterator[pyarrow.Table]":
        """Yield the rows of a chunk as tables, with wider types than before if necessary."""
        known = {index: self._types[index] for index in columns if index in self._types}
        wanted = [*columns, *self._fillers]
        fillers = dict.fromkeys(self._fillers, self._pyarrow.null())
        try:
            table = self._reader.read(chunk, wanted, known | fillers)
        except self._pyarrow.ArrowInvalid:
            fixed = {i: t for i, t in known.items() if self.kinds[i] not in (NUMBER, NULL)}
            table = self._read_whole(chunk, wanted, fixed | fillers)
        table = self._numbers_of(table.select(range(len(columns))), chunk, columns)
        for index in columns:
            self._update_type(index, table.schema.field(str(index)).type, chunk)
        yield from self._exact_parts(table, chunk, columns)

    def _read_whole(
        self, chunk: CsvChunk, columns: Sequence[int], types: "dict[int, pyarrow.DataType]"
    ) -> "pyarrow.Table":
        """Read a chunk, and raise an error with the line number if that fails."""
        try:
            return self._reader.read(chunk, columns, types, whole=True)
        except self._pyarrow.ArrowInvalid as error:
            self._raise_bad_chunk(chunk, types, str(error))

    def _raise_bad_chunk(
        self, chunk: CsvChunk, types: "dict[int, pyarrow.DataType]", why: str
    ) -> NoReturn:
        """Raise the error for a line with another number of fields, or a field of another type."""
        error: Exception | None = None
        if "conversion error" not in why:
            error = find_bad_length(chunk, self._header, self._label)
        if error is None:
            error = self._bad_field(chunk, types)
        raise error or unreadable_error(chunk, why, self._label)

    def _bad_field(self, chunk: CsvChunk, types: "dict[int, pyarrow.DataType]") -> Exception | None:
        checks = {index: self._check(arrow_type) for index, arrow_type in types.items()}
        return find_bad_field(chunk, self._header, checks, self._reader.notation, self._label)

    def _check(self, arrow_type: object) -> Check:
        """Return the check of fields for a type; None means numbers."""
        notation = self._reader.notation
        if arrow_type is None or kind_of(arrow_type) == NUMBER:
            return Check(
                lambda text: (
                    notation.is_missing(text) or is_mark(text) or notation.parse(text) is not None
                )
            )
        if self._pyarrow.types.is_null(arrow_type):
            return Check(notation.is_missing, "empty, without a name")

        def is_valid(text: str) -> bool:
            return notation.is_missing(text) or self._reader.converts(text, arrow_type)

        return Check(is_valid, kind_of(arrow_type))

    def _numbers_of(
        self, table: "pyarrow.Table", chunk: CsvChunk, columns: Sequence[int]
    ) -> "pyarrow.Table":
        """Return a table whose numeric columns are numbers, also those that PyArrow left as text.

        Numbers that mean a missing value become null.
        """
        notation = self._reader.notation
        for position, index in enumerate(columns):
            column = table.column(position)
            if self.kinds[index] not in (NUMBER, NULL):
                continue
            if kind_of(column.type) == "text":
                column = self._convert_text(column, index, chunk)
            column = as_missing(column, notation)
            if column is not table.column(position):
                table = table.set_column(position, str(index), column)
        return table

    def _convert_text(self, column: object, index: int, chunk: CsvChunk) -> Any:
        """Return a column of text as numbers; unchanged if it is text and may be."""
        values, marks = numbers_from_text(column, self._reader.notation)
        if values is not None:
            self._add_marks(marks, self._header.names[index])
            return values
        if self.kinds[index] == NUMBER:
            error = self._bad_field(chunk, {index: None})
            raise error or unreadable_error(chunk, "", self._label)
        return column

    def _add_marks(self, marks: Iterable[str], name: str) -> None:
        """Count marks such as ``?`` as missing from now on, and log it."""
        notation = self._reader.notation
        for mark in sorted(marks):
            _log.warning(
                "%s: %r in column %r counts as a missing value. Pass csv={'missing': [%r]} to "
                "choose it.",
                printable(self._label),
                mark,
                name,
                mark,
            )
        self._reader.notation = notation._replace(missing=notation.missing | {*marks})

    def _update_type(self, index: int, arrow_type: object, chunk: CsvChunk) -> None:
        """Record the inferred type of a column; text in a numeric column is an error."""
        kind, known = kind_of(arrow_type), self.kinds[index]
        if kind == NULL:
            return
        if known == NUMBER and kind != NUMBER:
            error = self._bad_field(chunk, {index: None})
            raise error or unreadable_error(chunk, "", self._label)
        if known == NULL and kind != NUMBER:
            self.skipped.add(index)
        self.kinds[index] = kind
        self._types[index] = arrow_type

    def _infer_kinds(self, chunk: CsvChunk, detect: bool) -> list[str]:
        """Return the kinds of all columns, inferred from the first chunk."""
        everything = range(self._header.width)
        table = self._read_whole(chunk, everything, {})
        if detect:
            before = self._reader.notation
            self._reader.notation = infer_notation(table, self._header, before, self._label)
            if self._reader.notation != before:
                table = self._read_whole(chunk, everything, {})
        kinds = infer_kinds(table, self._header, self._reader.notation, self._label)
        self._types = {
            index: column.type
            for index, column in enumerate(table.columns)
            if kinds[index] not in (NULL, "text") and kind_of(column.type) != "text"
        }
        self._fillers = unnamed_columns(self._header, kinds, self._label)
        self._remarks = self._find_remarks(chunk, detect)
        return kinds

    def _find_remarks(self, chunk: CsvChunk, detect: bool) -> dict[int, str]:
        """Return what the numbers of columns in the first chunk may mean instead."""
        types = self._pyarrow.types
        integers = [i for i, kind in self._types.items() if types.is_integer(kind)]
        floats = [i for i, kind in self._types.items() if types.is_floating(kind)]
        points = floats if detect and self._header.delimiter == ";" else []
        if not integers and not points:
            return {}
        text = self._reader.text(chunk, [*integers, *points])
        columns = {
            index: NumberColumn(self._header.name(index), text.column(str(index)))
            for index in (*integers, *points)
        }
        found = leading_zeros({index: columns[index] for index in integers})
        return found | points_of_thousands({index: columns[index] for index in points})

    def log_remarks(self, columns: Iterable[int]) -> None:
        """Log how the numbers of columns are read that may mean something else, once."""
        for index in columns:
            if remark := self._remarks.pop(index, ""):
                _log.warning("%s: %s", printable(self._label), printable(remark))

    def _exact_parts(
        self, table: "pyarrow.Table", chunk: CsvChunk, columns: Sequence[int]
    ) -> "Iterator[pyarrow.Table]":
        """Yield the rows of a table, split where 64-bit integers are rounded by float64."""
        rounded = [index for index in columns if needs_integers(table.column(str(index)))]
        if not rounded:
            yield table
            return
        text = self.text(chunk, rounded)
        runs = {
            index: integer_runs(
                table.column(str(index)), text.column(str(index)), self._reader.notation
            )
            for index in rounded
        }
        bounds = sorted({start for parts in runs.values() for start, _ in parts})
        for start, stop in zip(bounds, [*bounds[1:], table.num_rows], strict=True):
            part = table.slice(start, stop - start)
            for index, parts in runs.items():
                first, values = next(pair for pair in reversed(parts) if pair[0] <= start)
                column = values.slice(start - first, stop - start)
                part = part.set_column(columns.index(index), str(index), column)
            yield part
