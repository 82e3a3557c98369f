"""Parse the header of a CSV file: the column names and the delimiter."""

import csv
import io
import re
from typing import NamedTuple

from evenly.errors import DataError, SourceError
from evenly.sources.files.csv_chunks import CsvChunk, first_record_end, line_breaks
from evenly.sources.files.csv_delimiter import detect_delimiter
from evenly.sources.files.csv_numbers import is_decimal_number
from evenly.sources.files.csv_options import CsvFormat

_SAMPLE_RECORDS = 100
_SAMPLE_BYTES = 2**16
_DIRECTIVE = re.compile(rb'"?sep=([^\r\n"])"?\r?\n?')
"""The first line of a file that tells spreadsheets the delimiter."""


class Header(NamedTuple):
    """The header of a file.

    Attributes
    ----------
    names
        The names of the columns, which may occur several times.
    delimiter
        The delimiter.
    line
        The number of the line with the names.
    width
        The number of fields of a row: one more than names if every row ends with a delimiter.
    """

    names: list[str]
    delimiter: str
    line: int
    width: int

    def name(self, column: int) -> str:
        """Return the name of a column; that of a field after the last name is empty."""
        return self.names[column] if column < len(self.names) else ""


def split_header(
    chunk: CsvChunk, options: CsvFormat, label: str, delimiter: str | None = None
) -> tuple[Header, CsvChunk]:
    """Return the header, and the chunk without it.

    Parameters
    ----------
    chunk
        The first chunk of the file.
    delimiter
        The delimiter that the name of the file implies; None to detect it.

    Raises
    ------
    SourceError
        If the header is not UTF-8 text, or there is no line.
    DataError
        If the first line holds numbers, which would be lost as a row.
    """
    chunk = _skip_blank(chunk)
    if directive := _DIRECTIVE.fullmatch(chunk.data[: first_record_end(chunk.data)]):
        delimiter = directive[1].decode(errors="replace")
        chunk = _skip_blank(_skip(chunk, directive.end()))
    if type(options.header) is int:
        chunk = _skip_blank(_skip_lines(chunk, options.header))
    records = _sample(chunk.data, label)
    if not records:
        raise _no_lines_error(options, label)
    delimiter = options.delimiter or delimiter or detect_delimiter(records, label)
    rows = [_fields(record, delimiter) for record in records]
    names = rows[0]
    if options.header is False:
        names = [str(index) for index in range(len(names))]
        return Header(names, delimiter, chunk.line, len(names)), chunk
    if isinstance(options.header, tuple):
        names = _given_names(options.header, rows, label)
        return Header(names, delimiter, chunk.line, _width(names, rows)), chunk
    _check_not_numbers(names, chunk.line, label)
    header = Header(names, delimiter, chunk.line, _width(names, rows[1:]))
    return header, _skip(chunk, first_record_end(chunk.data))


def _no_lines_error(options: CsvFormat, label: str) -> SourceError:
    """Return the error for a file that has no line except those that are not read."""
    others = ["empty lines"]
    if options.comment:
        others.append("comments")
    if type(options.header) is int:
        others.append(f"the {options.header} lines before the header")
    return SourceError(
        "A CSV file must have a line with the names of its columns. Received: "
        f"{label}, which has only {' and '.join(others)}. Get it again, or leave it out."
    )


def _skip(chunk: CsvChunk, end: int) -> CsvChunk:
    return CsvChunk(chunk.data[end:], chunk.line + line_breaks(chunk.data, end))


def _skip_blank(chunk: CsvChunk) -> CsvChunk:
    """Return a chunk without the empty lines at its beginning."""
    return _skip(chunk, len(chunk.data) - len(chunk.data.lstrip(b"\r\n")))


def _skip_lines(chunk: CsvChunk, number: int) -> CsvChunk:
    """Return a chunk without its first lines, where quotes have no meaning."""
    line_break = b"\n" if b"\n" in chunk.data else b"\r"
    end = 0
    for _ in range(number):
        end = chunk.data.find(line_break, end) + 1 or len(chunk.data)
    return _skip(chunk, end)


def _sample(data: bytes, label: str) -> list[str]:
    """Return the header and some rows as text."""
    records: list[str] = []
    start = 0
    part = data[:_SAMPLE_BYTES]
    while start < len(part) and len(records) < _SAMPLE_RECORDS:
        # A record that is cut off would have fewer fields; the header is needed in any case.
        end = start + first_record_end(part[start:] if records else data)
        if records and end == len(part) < len(data):
            break
        record = data[start:end].rstrip(b"\r\n")
        if record:
            records.append(_header_text(record, label) if not records else record.decode("latin-1"))
        start = end
    return records


def _header_text(record: bytes, label: str) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise SourceError(
            f"A CSV file must be encoded in UTF-8. Received: {label}: its header contains the "
            f"byte {byte:#x}. Pass its encoding: csv={{'encoding': 'latin-1'}}, for example."
        ) from None


def _fields(record: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])


def _width(names: list[str], rows: list[list[str]]) -> int:
    """Return the number of fields of a row: one more than names if each ends with a delimiter."""
    longer = len(names) + 1
    trailing = bool(rows) and all(len(row) == longer and not row[-1].strip() for row in rows)
    return longer if trailing else len(names)


def _given_names(names: tuple[str, ...], rows: list[list[str]], label: str) -> list[str]:
    if rows and len(rows[0]) != _width(list(names), rows):
        raise DataError(
            "csv={'header': [...]} must name every column. Received: "
            f"{len(names)} names for {label}, whose first line has {len(rows[0])} fields."
        )
    return list(names)


def _check_not_numbers(names: list[str], line: int, label: str) -> None:
    if names and all(is_decimal_number(name) for name in names):
        raise DataError(
            "A CSV file must begin with the names of its columns. "
            f"Received: numbers ({', '.join(names[:5])}) in line {line} of {label}. Insert a "
            "line with the names, or pass csv={'header': False} to read that line as a row."
        )
