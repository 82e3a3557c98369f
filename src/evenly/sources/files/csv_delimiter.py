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
    """Return the delimiter that splits the rows like the header, and name it in the log.

    Parameters
    ----------
    lines
        The header and the first rows, each a record that may contain line breaks.
    """
    scores = {mark: _score(lines, mark) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: scores[mark])
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
    elif scores[best].splits:
        _log.info("%s: the fields are separated by a %s.", printable(label), NAMES[best])
    return best


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
