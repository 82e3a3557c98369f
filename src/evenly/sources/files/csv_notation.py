"""Detect decimal commas and separators of thousands in columns of text."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evenly.printable import printable
from evenly.sources.files.csv_numbers import Notation, is_mark

_log = logging.getLogger("evenly")

_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|\d*,\d+)([eE][+-]?\d+)?")
_POINTS_AND_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_INTEGER = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")


class CommaUse(NamedTuple):
    """The possible meanings of a comma in a column of text.

    Attributes
    ----------
    decimal, thousands
        Whether every field can be read with a decimal comma, or with commas between thousands.
    points
        Whether points separate the thousands, with a decimal comma.
    example
        A field with a comma; ``""`` if there is none, or the column is not numeric.
    """

    decimal: bool
    thousands: bool
    points: bool
    example: str


def comma_use(texts: Sequence[str], notation: Notation) -> CommaUse:
    """Return the possible meanings of commas in the distinct texts of a column.

    >>> comma_use(["1,5", "2"], Notation())
    CommaUse(decimal=True, thousands=False, points=False, example='1,5')
    >>> comma_use(["1,500", "2"], Notation())
    CommaUse(decimal=True, thousands=True, points=False, example='1,500')
    """
    decimal = thousands = True
    points = False
    example = ""
    for text in map(str.strip, texts):
        if notation.is_missing(text) or is_mark(text):
            continue
        integer = _INTEGER.fullmatch(text) is not None
        with_points = _POINTS_AND_COMMA.fullmatch(text) is not None
        points |= with_points
        decimal &= integer or with_points or _DECIMAL_COMMA.fullmatch(text) is not None
        grouped = _THOUSANDS.fullmatch(text) is not None
        thousands &= integer or grouped or _DECIMAL_POINT.fullmatch(text) is not None
        if not decimal and not thousands:
            break
        example = example or (text if "," in text else "")
    return CommaUse(decimal, thousands, points, example if decimal or thousands else "")


def detect_notation(
    columns: Mapping[str, Sequence[str]], notation: Notation, may_be_decimal: bool, label: str
) -> Notation:
    """Return the notation of a file, and log what was detected.

    Parameters
    ----------
    columns
        The distinct texts of columns of text, by name.
    notation
        The default notation.
    may_be_decimal
        Whether a comma may be a decimal mark without ``csv=``: it is not the delimiter, and no
        column has decimal points.
    """
    uses = {name: comma_use(texts, notation) for name, texts in columns.items()}
    uses = {name: use for name, use in uses.items() if use.example}
    decimal = [name for name, use in uses.items() if not use.thousands]
    thousands = [name for name, use in uses.items() if not use.decimal]
    if decimal and not thousands and may_be_decimal:
        points = any(uses[name].points for name in decimal)
        _log_decimal_comma(uses[decimal[0]].example, points, label)
        return notation._replace(decimal=",", thousands="." if points else "")
    if thousands and not decimal:
        _log.warning(
            "%s: numbers such as %r are read with commas between thousands. Pass "
            "csv={'thousands': ','} to choose it.",
            printable(label),
            uses[thousands[0]].example,
        )
        return notation._replace(thousands=",")
    for name, use in uses.items():
        _log_left_out(name, use, label)
    return notation


def _log_decimal_comma(example: str, points: bool, label: str) -> None:
    _log.warning(
        "%s: numbers such as %r are read with a decimal comma%s. Pass csv={%s} to choose it.",
        printable(label),
        example,
        " and points between thousands" * points,
        "'decimal': ','" + ", 'thousands': '.'" * points,
    )


def _log_left_out(name: str, use: CommaUse, label: str) -> None:
    possible = {"decimal": use.decimal, "thousands": use.thousands}
    _log.warning(
        "%s: column %r is left out as text. If fields such as %r are numbers, pass %s.",
        printable(label),
        name,
        use.example,
        " or ".join(f"csv={{'{option}': ','}}" for option in possible if possible[option]),
    )
