"""Detect the delimiter of a CSV file by counting it outside of quotes in several rows."""

import csv
import logging
import re
from collections.abc import Sequence
from typing import NamedTuple

from evenly.printable import printable

_log = logging.getLogger("evenly")

DELIMITERS = ",;\t|"
"""The delimiters that are detected, in the order of preference."""
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_OTHERS = " :"
"""Delimiters that are proposed, since they also occur in text."""

_NUMBER = {
    mark: re.compile(rf"\s*[+-]?(\d+[{decimals}]?\d*|[{decimals}]\d+)([eE][+-]?\d+)?\s*")
    for mark, decimals in zip(DELIMITERS, (".", ".,", ".,", ".,"), strict=True)
}


class _Score(NamedTuple):
    """How well a delimiter fits; larger is better.

    Attributes
    ----------
    splits
        Whether the header has several fields.
    regular
        The share of rows with as many fields as the header.
    numeric
        The share of fields in the rows that are numbers or empty.
    fields
        The number of fields of the header.
    """

    splits: bool
    regular: float
    numeric: float
    fields: int


def detect_delimiter(lines: Sequence[str], label: str) -> str:
    """Return the delimiter that splits the rows like the header, and log it.

    Parameters
    ----------
    lines
        The header and the first rows, each a record that may contain line breaks.
    """
    scores = {mark: _score(lines, mark) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: scores[mark])
    if not scores[best].splits:
        _propose_delimiter(lines, label)
        found = names_after_preamble(lines)
        return best if found is None else found[1]
    rivals = [
        NAMES[mark]
        for mark, score in scores.items()
        if mark != best and score.splits and score.regular == scores[best].regular == 1.0
    ]
    if rivals and len(lines) > 1:
        _log.warning(
            "%s: the fields are separated by a %s; a %s would also fit. Pass "
            "csv={'delimiter': %r} to choose it.",
            printable(label),
            NAMES[best],
            " or ".join(rivals),
            best,
        )
    else:
        _log.info("%s: the fields are separated by a %s.", printable(label), NAMES[best])
    return best


def names_after_preamble(lines: Sequence[str]) -> tuple[int, str] | None:
    """Return the index of the line that seems to have the names, and its delimiter.

    Lines about the file may come before the header. They have other fields than the header, which
    is followed by rows like itself.

    >>> names_after_preamble(["Station 7", "time;temperature", "1;20", "2;21"])
    (1, ';')
    """
    for mark in DELIMITERS:
        rows = [_fields(line, mark) if line else [] for line in lines]
        for index, row in enumerate(rows[1:], 1):
            following = [len(other) for other in rows[index + 1 : index + 4] if other]
            if len(row) > 1 and following and set(following) == {len(row)} != {len(rows[0])}:
                if any(_NUMBER[mark].fullmatch(field) for field in row):
                    break  # these rows have no header
                return index, mark
    return None


def _propose_delimiter(lines: Sequence[str], label: str) -> None:
    """Log that a file has one column, if another character splits all lines equally."""
    for mark in _OTHERS:
        widths = {len([field for field in line.split(mark) if field]) for line in lines}
        if len(lines) > 1 and len(widths) == 1 and widths.pop() > 1:
            _log.warning(
                "%s: the file has one column, %r. If its fields are separated by %r, pass "
                "csv={'delimiter': %r}.",
                printable(label),
                lines[0],
                mark,
                mark,
            )


def _score(lines: Sequence[str], mark: str) -> _Score:
    header, *rows = ([*_fields(line, mark)] for line in lines)
    number = len(header)
    regular = [row for row in rows if len(row) == number]
    fields = [field for row in regular for field in row]
    numeric = sum(not field.strip() or bool(_NUMBER[mark].fullmatch(field)) for field in fields)
    share = len(regular) / len(rows) if rows else 1.0
    return _Score(number > 1, share, numeric / max(1, len(fields)), number)


def _fields(record: str, mark: str) -> list[str]:
    try:
        return next(csv.reader([record], delimiter=mark), [])
    except csv.Error:
        return [record]
