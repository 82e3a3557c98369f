"""Parse the header of a CSV file: the column names and the delimiter."""

import codecs
import csv
import io

from evenly.errors import ColumnError, DataError, SourceError
from evenly.sources.files.csv_chunks import Chunk, first_record_end, line_breaks

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def split_header(chunk: Chunk, delimiter: str | None, label: str) -> tuple[list[str], str, Chunk]:
    """Return the names, the delimiter, and the chunk without its header.

    Parameters
    ----------
    chunk
        The first chunk of the file.
    delimiter
        None to use the first of comma, semicolon, tab and bar that occurs in the header.

    Raises
    ------
    SourceError
        If the header is not UTF-8 text.
    DataError
        If the first line holds numbers, which would be lost as a row.
    ColumnError
        If a name is not unique.
    """
    check_text(chunk.data, label)
    data = chunk.data.removeprefix(codecs.BOM_UTF8)
    stripped = data.lstrip(b"\r\n")
    line = chunk.line + line_breaks(data, len(data) - len(stripped))
    end = first_record_end(stripped)
    try:
        text = stripped[:end].decode()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise _encoding_error(label, f"its header contains the byte {byte:#x}") from None
    if delimiter is None:
        delimiter = next((mark for mark in ",;\t|" if mark in text), ",")
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    _check_names(names, line, label)
    return names, delimiter, Chunk(stripped[end:], line + line_breaks(stripped, end))


def check_text(data: bytes, label: str) -> None:
    """Check that the beginning of a file is text, and not UTF-16 or UTF-32."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            raise _encoding_error(label, f"it begins with the byte order mark of {encoding}")
    if b"\0" in data[:4096]:
        raise SourceError(
            f"A CSV file must be text. Received: {label}, which contains null bytes. If it is in "
            "another format, give it the suffix of that format."
        )


def _encoding_error(label: str, why: str) -> SourceError:
    return SourceError(
        f"A CSV file must be encoded in UTF-8. Received: {label}: {why}. "
        "Convert it, with iconv for example."
    )


def _check_names(names: list[str], line: int, label: str) -> None:
    if names and all(is_number(name) for name in names):
        raise DataError(
            "A CSV file must begin with the names of its columns. "
            f"Received: numbers ({', '.join(names[:5])}) in line {line} of {label}. "
            "Insert a line with the column names."
        )
    duplicates = (
        [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    )
    if duplicates:
        raise ColumnError(
            "Every column needs a name of its own. Received: "
            f"{duplicates[0]!r} {names.count(duplicates[0])} times in line {line} of {label}."
        )


def is_number(text: str) -> bool:
    """Return whether a field of a CSV file is a number.

    >>> is_number(" -1.5e3"), is_number("1_000"), is_number("NA"), is_number("inf")
    (True, False, False, True)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and not text.strip().lstrip("+-").lower().startswith("nan")
