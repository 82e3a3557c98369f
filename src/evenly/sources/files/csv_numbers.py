"""Read text that PyArrow's CSV reader does not take for numbers: 1,234 and true among numbers."""

import re
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenly import extras
from evenly.block import WideIntegers
from evenly.sources.exact_rows import ANY, FLOAT, INT64, dtypes_of, exact_ranges

if TYPE_CHECKING:
    import pyarrow as pa


MISSING_TEXTS = frozenset(
    [
        *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
        *("null", "NULL", "Null", "None", "none"),
    ]
)
"""The fields that mean a missing value, following PyArrow and pandas."""

_MARK = re.compile(r"[!-/:-@\[-`{-~]{1,4}|[–—…]|\\N")
"""A field without letters and digits, such as ``?``, ``-`` or ``.``; and that of MySQL and Hive."""

_BOOLEANS = {"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"}

_INTEGER = re.compile(r"[+-]?\d+")

_EXACT = 2.0**53
"""From here on, float64 does not represent every whole number."""
_INT64 = 2.0**63
_UINT64 = 2.0**64


def is_mark(text: str) -> bool:
    """Return whether a field can only mean a missing value among numbers.

    >>> is_mark("?"), is_mark("-"), is_mark("n/a?"), is_mark("-1")
    (True, True, False, False)
    """
    return _MARK.fullmatch(text.strip()) is not None


class Notation(NamedTuple):
    """How the numbers of a file are written.

    Attributes
    ----------
    decimal
        The decimal mark.
    thousands
        The character between groups of digits; ``""`` if there is none.
    missing
        The fields that mean a missing value.
    """

    decimal: str = "."
    thousands: str = ""
    missing: frozenset[str] = MISSING_TEXTS

    def parse(self, text: str) -> str | None:
        """Return the text of a number as Python writes it; None if it is not a number.

        >>> Notation(",", ".").parse("1.234,5"), Notation().parse("1,5"), Notation().parse("true")
        ('1234.5', None, '1')
        """
        text = text.strip()
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if self.thousands and self.thousands in text:
            mark, point = re.escape(self.thousands), re.escape(self.decimal)
            grouped = rf"[+-]?\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}}({point}\d*)?([eE][+-]?\d+)?"
            if re.fullmatch(grouped, text) is None:
                return None
            text = text.replace(self.thousands, "")
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".")
        return text if is_decimal_number(text) else None

    def is_missing(self, text: str) -> bool:
        """Return whether a field of a numeric column means a missing value."""
        return text.strip() in self.missing


def is_decimal_number(text: str) -> bool:
    """Return whether a field is a number with a decimal point.

    >>> [text for text in (" -1.5e3", "1_000", "NA", "inf") if is_decimal_number(text)]
    [' -1.5e3', 'inf']
    """
    try:
        float(text)
    except ValueError:
        return False
    plain = text.isascii() and "_" not in text
    return plain and not text.strip().lstrip("+-").lower().startswith("nan")


class TextNumbers(NamedTuple):
    """A column of text read as numbers.

    Attributes
    ----------
    values
        The PyArrow array; None if a field is not a number.
    marks
        The fields such as ``?`` that were counted as missing.
    """

    values: "pa.Array | pa.ChunkedArray | None"
    marks: frozenset[str] = frozenset()


def numbers_from_text(column: "pa.Array | pa.ChunkedArray", notation: Notation) -> TextNumbers:
    """Return a column of text as numbers, converting each distinct text once."""
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
    encoded = _as_bytes(column, pyarrow).dictionary_encode().combine_chunks()
    texts, marks = [], set()
    for entry in encoded.dictionary.to_pylist():
        text = entry.decode(errors="replace").strip()
        number = notation.parse(text)
        if number is None and not notation.is_missing(text):
            if not is_mark(text):
                return TextNumbers(None)
            marks.add(text)
        texts.append(number)
    if not any(texts):
        return TextNumbers(pyarrow.nulls(len(column)), frozenset(marks))
    values = _cast(pyarrow.array(texts, pyarrow.string()), pyarrow)
    return TextNumbers(values.take(encoded.indices), frozenset(marks))


def _as_bytes(
    column: "pa.Array | pa.ChunkedArray", pyarrow: ModuleType
) -> "pa.Array | pa.ChunkedArray":
    """Return a column of strings, which may not be UTF-8, as bytes."""
    return pyarrow.chunked_array(
        [chunk.view(pyarrow.binary()) for chunk in column.chunks], pyarrow.binary()
    )


def _cast(texts: "pa.Array | pa.ChunkedArray", pyarrow: ModuleType) -> "pa.Array | pa.ChunkedArray":
    """Return texts as integers if all are, or else as float64."""
    try:
        return texts.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        return texts.cast(pyarrow.float64())


def needs_integers(column: "pa.Array | pa.ChunkedArray") -> bool:
    """Return whether float64 may have rounded 64-bit integers in a column."""
    compute = extras.require("pyarrow.compute", extra="files", feature="Reading CSV")
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
    if column.type != pyarrow.float64():
        return False
    size = compute.abs(column)
    rounded = compute.and_(compute.greater_equal(size, _EXACT), compute.less_equal(size, _UINT64))
    return bool(compute.any(rounded).as_py())


def integer_runs(
    column: "pa.Array | pa.ChunkedArray", text: "pa.Array | pa.ChunkedArray", notation: Notation
) -> "list[tuple[int, pa.Array | pa.ChunkedArray]]":
    """Split a column of float64 at 64-bit integers that float64 rounds.

    A column of integers and decimals then has the same exact sums in any order: an integer of 64
    bits is exact, and every other number is the nearest float64.

    Parameters
    ----------
    column
        The values as float64.
    text
        The same values as text.

    Returns
    -------
    list of (start, array)
        The first row of each range of rows, and its values as float64, int64 or uint64.
    """
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
    fields = _as_bytes(text, pyarrow).to_pylist()
    values = column.to_pylist()
    integers = [_as_integer(*pair, notation) for pair in zip(fields, values, strict=True)]
    wide = WideIntegers(np.empty(0, np.uint64), np.array(_dtypes(values, integers), np.uint8))
    floats = column.combine_chunks()
    ranges = exact_ranges(wide)
    runs = []
    for start, stop in zip(ranges, [*[*ranges][1:], len(values)], strict=True):
        dtypes = ranges[start]
        if dtypes & FLOAT:
            runs.append((start, floats.slice(start, stop - start)))
        else:
            exact = pyarrow.int64() if dtypes & INT64 else pyarrow.uint64()
            runs.append((start, pyarrow.array(integers[start:stop], exact)))
    return runs


def _dtypes(values: list[float | None], integers: list[int | None]) -> list[int]:
    """Return the dtypes that hold each value exactly; see `evenly.sources.exact_rows`."""
    return [
        ANY if value is None else dtypes_of(integer, value)
        for value, integer in zip(values, integers, strict=True)
    ]


def _as_integer(field: bytes, value: float | None, notation: Notation) -> int | None:
    """Return the integer of 64 bits that a field is; None if it is another number."""
    if value is None or not value.is_integer() or not -_INT64 <= value <= _UINT64:
        return None
    if abs(value) < _EXACT:
        return int(value)
    text = notation.parse(field.decode(errors="replace")) or ""
    number = int(text) if _INTEGER.fullmatch(text) else int(value)
    return number if -(2**63) <= number < 2**64 else None


def as_missing(
    column: "pa.Array | pa.ChunkedArray", notation: Notation
) -> "pa.Array | pa.ChunkedArray":
    """Return a column of numbers with null for those that mean a missing value: -999 and -999.0."""
    marks = [float(text) for text in notation.missing if is_decimal_number(text)]
    pyarrow = extras.require("pyarrow", extra="files", feature="Reading CSV")
    if not marks or not (pyarrow.types.is_integer(column.type) or column.type == pyarrow.float64()):
        return column
    compute = extras.require("pyarrow.compute", extra="files", feature="Reading CSV")
    if column.type != pyarrow.float64():
        marks = [int(mark) for mark in marks if mark.is_integer() and abs(mark) < _INT64]
    found = compute.is_in(column, pyarrow.array(marks, column.type))
    return compute.if_else(found, None, column) if compute.any(found).as_py() else column
