"""Locate the offending line of a CSV chunk, and name the option that may help.

Slow; called only after PyArrow has failed to read the chunk.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from evenly.errors import DataError
from evenly.sources.files.csv_chunks import CsvChunk
from evenly.sources.files.csv_delimiter import DELIMITERS, names_after_preamble
from evenly.sources.files.csv_header import Header
from evenly.sources.files.csv_notation import comma_use
from evenly.sources.files.csv_numbers import Notation

_COMMENT = re.compile(r"\s*(#|//|%)")
_REASON = re.compile(r"conversion error to (?P<type>.*?): (?:invalid value '(?P<value>.*)')?")
_PREAMBLE = 30
"""Lines at the beginning that are searched for the names."""


class Check(NamedTuple):
    """The rule for the fields of a column.

    Attributes
    ----------
    is_valid
        Return whether a field is valid.
    kind
        The type of the column for messages; ``""`` for numbers.
    """

    is_valid: Callable[[str], bool]
    kind: str = ""


def split_records(chunk: CsvChunk, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line; empty lines are skipped."""
    text = chunk.data.decode(errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = chunk.line
    try:
        for record in reader:
            if record:
                yield line, record
            line = chunk.line + reader.line_num
    except csv.Error:  # such as a field of more than 128 kB
        return


def find_bad_length(chunk: CsvChunk, header: Header, label: str) -> DataError | None:
    """Return the error for the first record with too many or too few fields, if any."""
    for line, record in split_records(chunk, header.delimiter):
        if len(record) != header.width:
            text = header.delimiter.join(record)
            hints = _length_hints(chunk, header, record)
            return DataError(
                f"Every line must have as many fields as the header: {header.width}. "
                f"Received: {len(record)} in line {line} of {label}: {_short(text)}. "
                f"Fix the line; text that contains the delimiter must be quoted.{hints}"
            )
    return None


def _length_hints(chunk: CsvChunk, header: Header, record: Sequence[str]) -> str:
    """Return sentences that name options which may help."""
    hints = []
    for text in (header.names[0], record[0]):
        if mark := _COMMENT.match(text):
            hints.append(
                f"If lines that begin with {mark[1]!r} are comments, pass "
                f"csv={{'comment': {mark[1]!r}}}."
            )
            break
    if (line := _line_of_names(chunk, header)) is not None:
        hints.append(f"If line {line} has the names, pass csv={{'header': {line - 1}}}.")
    text = header.delimiter.join([*header.names, *record])
    others = [mark for mark in DELIMITERS if mark != header.delimiter and mark in text]
    if others:
        hints.append(
            f"If the fields are separated by {others[0]!r}, pass "
            f"csv={{'delimiter': {others[0]!r}}}."
        )
    if header.delimiter == "," and len(record) > len(header.names):
        hints.append("If the comma is a decimal mark, pass csv={'delimiter': ';', 'decimal': ','}.")
    return "".join(f" {hint}" for hint in hints)


def _line_of_names(chunk: CsvChunk, header: Header) -> int | None:
    """Return the line that may have the names, if the first lines are only about the file."""
    data = chunk.data if b"\n" in chunk.data else chunk.data.replace(b"\r", b"\n")
    lines = [line.decode(errors="replace").rstrip("\r") for line in data.split(b"\n", _PREAMBLE)]
    found = names_after_preamble([header.delimiter.join(header.names), *lines[:_PREAMBLE]])
    return None if found is None else chunk.line + found[0] - 1


def find_bad_field(
    chunk: CsvChunk, header: Header, checks: Mapping[int, Check], notation: Notation, label: str
) -> DataError | None:
    """Return the error for the first field that fails the check of its column, if any.

    Parameters
    ----------
    checks
        The checks of some columns, by index.
    notation
        How numbers are written.
    """
    for line, record in split_records(chunk, header.delimiter):
        for index, check in checks.items():
            if index < len(record) and not check.is_valid(record[index]):
                name = header.name(index)
                where = f"in line {line}, column {name!r} of {label}"
                return _field_error(record[index], where, name, check, notation)
    return None


def _field_error(field: str, where: str, name: str, check: Check, notation: Notation) -> DataError:
    received = f"Received: {_short(field)} {where}."
    if not name:
        return DataError(f"A column with values must have a name. {received} Add it to the header.")
    if check.kind:
        return DataError(
            f"A column must have one type, as its first values have it: {check.kind}. {received} "
            f"Fix it, or exclude the column: exclude=[{name!r}]."
        )
    return DataError(
        f"A numeric column must hold numbers; missing values are empty, NA, NaN or null. "
        f"{received} Fix it; {_field_hint(field, notation)}, or exclude the column: "
        f"exclude=[{name!r}]."
    )


def _field_hint(field: str, notation: Notation) -> str:
    """Return the option with which a field would be valid."""
    use = comma_use([field], notation)
    options = [
        f"csv={{{option!r}: ','}}"
        for option, possible in (("decimal", use.decimal), ("thousands", use.thousands))
        if possible and use.example
    ]
    if options:
        return f"if it is a number, pass {' or '.join(options)}"
    if notation.decimal == "," and not notation.thousands and "." in field:
        return "if it is a number, pass csv={'decimal': ',', 'thousands': '.'}"
    return f"if it means a missing value, pass csv={{'missing': [{_short(field.strip())}]}}"


def unreadable_error(chunk: CsvChunk, why: str, label: str) -> DataError:
    """Return the error for a chunk in which no bad field was found."""
    reason = _REASON.search(why)
    if reason is None:
        return DataError(
            "All lines of a CSV file must have the same columns. "
            f"Received: {label}, which cannot be read at line {chunk.line} or later: {why}"
        )
    return DataError(
        f"A column must have one type, as its first values have it: {reason['type']}. Received: "
        f"{_short(reason['value'] or '')} at line {chunk.line} of {label} or later. Fix it, or "
        "leave the column out with exclude=[...]."
    )


def _short(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[:limit] + "…")
