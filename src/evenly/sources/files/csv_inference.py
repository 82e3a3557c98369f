"""Infer the kinds of CSV columns, and how numbers are written, from the first chunk."""

import logging
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from evenly import extras
from evenly.errors import ColumnError
from evenly.printable import printable
from evenly.sources.fields import NULL, NUMBER
from evenly.sources.files.csv_header import Header
from evenly.sources.files.csv_notation import detect_notation
from evenly.sources.files.csv_numbers import Notation, is_mark

if TYPE_CHECKING:
    import pyarrow


_log = logging.getLogger("evenly")

_FIRST_ROWS = 1000
_MAX_WORDS = 3
"""Distinct texts among numbers that may be marks of missing values."""


def kind_of(arrow_type: "pyarrow.DataType") -> str:
    """Return the kind of a column, as `Field` has it, from its PyArrow type."""
    types = extras.require("pyarrow", extra="files", feature="Reading CSV").types
    if types.is_null(arrow_type):
        return NULL
    numeric = types.is_integer, types.is_floating, types.is_boolean
    if any(is_kind(arrow_type) for is_kind in numeric):
        return NUMBER
    if types.is_timestamp(arrow_type):
        return f"timestamp[{arrow_type.unit}]"
    if types.is_time(arrow_type):
        return f"time[{arrow_type.unit}]"
    return "date[day]" if types.is_date(arrow_type) else "text"


def infer_notation(
    table: "pyarrow.Table", header: Header, notation: Notation, label: str
) -> Notation:
    """Return how numbers are written: with decimal commas, or with separators of thousands."""
    texts = {}
    for index, column in enumerate(table.columns):
        if kind_of(column.type) == "text" and "," in _first_value(column, notation):
            texts[header.name(index)] = list(_distinct(column))
    points = any(str(column.type) == "double" for column in table.columns)
    may_be_decimal = header.delimiter != "," and not points
    return detect_notation(texts, notation, may_be_decimal, label)


def infer_kinds(
    table: "pyarrow.Table", header: Header, notation: Notation, label: str
) -> list[str]:
    """Return the kinds of all columns; text that begins with a number is an error when read."""
    return [
        _infer_kind(column, header.name(index), notation, label)
        for index, column in enumerate(table.columns)
    ]


def _infer_kind(column: "pyarrow.ChunkedArray", name: str, notation: Notation, label: str) -> str:
    kind = kind_of(column.type)
    if kind != "text":
        return kind
    first = _first_value(column, notation)
    if not first:
        return NULL
    if notation.parse(first) is not None:
        return NUMBER
    _log_words(column, name, notation, label)
    return kind


def _log_words(column: object, name: str, notation: Notation, label: str) -> None:
    """Log a warning if a column of text has more numbers than words."""
    words: list[str] = []
    numbers = 0
    for text in _distinct(column):
        if notation.parse(text) is not None:
            numbers += 1
        elif not notation.is_missing(text) and not is_mark(text):
            words.append(text)
        if len(words) > _MAX_WORDS:
            return
    if numbers > len(words):
        _log.warning(
            "%s: column %r is left out as text: it begins with %r, and has numbers. If that "
            "means a missing value, pass csv={'missing': %r}.",
            printable(label),
            name,
            words[0],
            words,
        )


def unnamed_columns(header: Header, kinds: list[str], label: str) -> tuple[int, ...]:
    """Return the columns without name and values, as trailing delimiters make them.

    One column without a name, such as an index that pandas wrote, is read like any other.

    Raises
    ------
    ColumnError
        If several columns with values have no name.
    """
    unnamed = [index for index, name in enumerate(header.names) if not name]
    trailing = range(len(header.names), header.width)
    if len(unnamed) < 2 and not trailing:
        return ()
    positions = [index + 1 for index in unnamed if kinds[index] != NULL]
    if len(positions) > 1:
        raise ColumnError(
            "Every column with values needs a name of its own. Received: no names for "
            f"columns {positions[0]} and {positions[1]} in line {header.line} of {label}. If the "
            "names are in another line, pass csv={'header': N}, the number of lines before it."
        )
    return (*(index for index in unnamed if kinds[index] == NULL), *trailing)


def _distinct(column: "pyarrow.ChunkedArray") -> Iterator[str]:
    """Yield the distinct texts of a column, which may not be UTF-8."""
    for value in column.unique():
        yield value.as_buffer().to_pybytes().decode(errors="replace").strip()


def _first_value(column: "pyarrow.ChunkedArray", notation: Notation) -> str:
    """Return the first text of a column that is neither missing nor a mark; ``""`` if none is."""
    for text in chain(_distinct(column.slice(0, _FIRST_ROWS)), _distinct(column)):
        if not notation.is_missing(text) and not is_mark(text):
            return text
    return ""
