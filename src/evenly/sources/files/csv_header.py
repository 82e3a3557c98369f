"""The first record of a CSV file: its columns' names, and what separates them."""

import codecs
import csv
import io

from evenly.errors import ColumnError, DataError, SourceError
from evenly.sources.files.csv_chunks import Chunk, first_record_end, line_breaks

_FOREIGN = {
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
        The first of the file.
    delimiter
        None to take the first of comma, semicolon, tab and bar that the header has.

    Raises
    ------
    SourceError
        When it is not text in UTF-8.
    DataError
        When the first line holds numbers: it would be lost as a row.
    ColumnError
        When a name comes twice.
    """
    check_text(chunk.data, label)
    data = chunk.data.removeprefix(codecs.BOM_UTF8)
    stripped = data.lstrip(b"\r\n")
    line = chunk.line + line_breaks(data, len(data) - len(stripped))
    end = first_record_end(stripped)
    try:
        text = stripped[:end].decode()
    except UnicodeDecodeError as error:
        raise SourceError(
            _not_utf8(label, f"its header has the byte {error.object[error.start]:#x}")
        ) from None
    if delimiter is None:
        delimiter = next((mark for mark in ",;\t|" if mark in text), ",")
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    _check_names(names, line, label)
    return names, delimiter, Chunk(stripped[end:], line + line_breaks(stripped, end))


def check_text(data: bytes, label: str) -> None:
    """Check that a file's beginning is text, of one byte a letter."""
    for mark, encoding in _FOREIGN.items():
        if data.startswith(mark):
            raise SourceError(_not_utf8(label, f"it begins with the mark of {encoding}"))
    if b"\0" in data[:4096]:
        raise SourceError(
            f"A CSV file must be text. Received: {label}, which holds zero bytes. If it is of "
            "another format, give it the suffix of that format."
        )


def _not_utf8(label: str, why: str) -> str:
    return (
        f"A CSV file must be encoded in UTF-8. Received: {label}: {why}. "
        "Convert it, with iconv for example."
    )


def _check_names(names: list[str], line: int, label: str) -> None:
    if names and all(is_number(name) for name in names):
        raise DataError(
            "A CSV file must begin with the names of its columns. "
            f"Received: numbers ({', '.join(names[:5])}) in line {line} of {label}. "
            "Put a line of names before them."
        )
    twice = (
        [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    )
    if twice:
        raise ColumnError(
            "Every column needs a name of its own. "
            f"Received: {twice[0]!r} {names.count(twice[0])} times in line {line} of {label}."
        )


def is_number(text: str) -> bool:
    """Whether a field of a CSV file is a number.

    >>> is_number(" -1.5e3"), is_number("1_000"), is_number("NA"), is_number("inf")
    (True, False, False, True)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and not text.strip().lstrip("+-").lower().startswith("nan")
