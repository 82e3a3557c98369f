"""Locate the offending line of a CSV chunk.

Slow; called only after PyArrow has failed to read the chunk.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from evenly.errors import DataError
from evenly.sources.files.csv_chunks import Chunk

Check = Callable[[str], bool]


def records(chunk: Chunk, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line; empty lines are skipped."""
    text = chunk.data.decode(errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = chunk.line
    for record in reader:
        if record:
            yield line, record
        line = chunk.line + reader.line_num


def find_bad_length(
    chunk: Chunk, delimiter: str, names: Sequence[str], label: str
) -> DataError | None:
    """Return the error for the first record with too many or too few fields, if any."""
    for line, record in _until_csv_error(records(chunk, delimiter)):
        if len(record) != len(names):
            text = delimiter.join(record)
            return DataError(
                f"Every line must have as many fields as the header: {len(names)}. "
                f"Received: {len(record)} in line {line} of {label}: {_short(text)}. "
                "Fix the line; text that contains the separator must be quoted."
            )
    return None


def find_bad_field(
    chunk: Chunk,
    delimiter: str,
    names: Sequence[str],
    checks: Mapping[str, Check],
    label: str,
) -> DataError | None:
    """Return the error for the first field that fails the check of its column, if any.

    Parameters
    ----------
    checks
        For some columns, a function that returns whether a field is valid.
    """
    indexed = [(names.index(name), name, check) for name, check in checks.items()]
    for line, record in _until_csv_error(records(chunk, delimiter)):
        for index, name, check in indexed:
            if index < len(record) and not check(record[index]):
                return DataError(
                    "A numeric column must hold numbers; missing values are empty, NA, NaN or "
                    f"null. Received: {_short(record[index])} in line {line}, column {name!r} of "
                    f"{label}. Fix it, or exclude the column: exclude=[{name!r}]."
                )
    return None


def _until_csv_error(
    numbered: Iterator[tuple[int, list[str]]],
) -> Iterator[tuple[int, list[str]]]:
    """Yield records until Python's csv reader fails, as for a field of more than 128 kB."""
    try:
        yield from numbered
    except csv.Error:
        return


def _short(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[:limit] + "…")
