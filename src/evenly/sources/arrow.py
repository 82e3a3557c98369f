"""Arrow's C data into columns: views of the buffers, without copying where it can be.

Any library's frames come here, through the PyCapsule protocol. The letters are those of
the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column
from evenly.errors import UnsupportedTypeError
from evenly.sources.choice import NULL, NUMBER, Field
from evenly.sources.decimals import decimal_column
from evenly.sources.keys import KeyName

_NUMBERS = {
    "c": "i1",
    "C": "u1",
    "s": "i2",
    "S": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "e": "f2",
    "f": "f4",
    "g": "f8",
}
_TIMES = {"tdD": "i4", "tdm": "i8", "tts": "i4", "ttm": "i4", "ttu": "i8", "ttn": "i8"}
_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
_TEXT = {"u", "U", "vu"}
_BINARY = {"z", "Z", "vz"}


def kind_of(schema: Any) -> str:
    """Return the kind of a column, as `Field` has it, from its Arrow schema."""
    if schema.dictionary is not None:
        return NUMBER if kind_of(schema.dictionary) == NUMBER else "category"
    letters = schema.format
    if letters in _NUMBERS or letters == "b":
        return NUMBER
    if letters == "n":
        return NULL
    if letters in _TEXT:
        return "text"
    if letters in _BINARY or letters.startswith("w:"):
        return "binary"
    if letters.startswith("d:"):
        return NUMBER if _decimal_bits(letters) in (128, 256) else "small decimal"
    return _kind_of_time(letters) or ("run-end encoded" if letters == "+r" else "nested")


def _kind_of_time(letters: str) -> str | None:
    if letters in ("tdD", "tdm"):
        return "date[day]" if letters == "tdD" else "date[ms]"
    for start, kind in (("tt", "time"), ("ts", "timestamp"), ("tD", "duration")):
        if letters.startswith(start):
            return f"{kind}[{_UNITS[letters[2]]}]"
    return "interval" if letters.startswith("ti") else None


def fields_of(schema: Any) -> tuple[Field, ...]:
    """Return the fields of a table's Arrow schema; an index that pandas stored is marked."""
    index = _index_names(schema)
    return tuple(
        Field(child.name, "index" if child.name in index else kind_of(child))
        for child in schema.children
    )


def _index_names(schema: Any) -> set[str]:
    """Return the names of columns that are the index of a pandas frame, by its metadata."""
    metadata = dict(schema.metadata or {})
    try:
        stored = json.loads(metadata.get(b"pandas", b"{}"))
        return {name for name in stored.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError):
        return set()  # metadata of someone else under the same key


Reader = Callable[[Any], Column]


class ColumnReader:
    """Takes named columns out of struct arrays that have one schema.

    Parameters
    ----------
    schema
        The Arrow schema of the table.
    names
        The columns wanted, in this order.
    """

    def __init__(self, schema: Any, names: Sequence[str]) -> None:
        children = list(schema.children)
        place = {child.name: index for index, child in enumerate(children)}
        self._readers = [(place[name], _reader(children[place[name]], name)) for name in names]

    def read(self, array: Any) -> tuple[Any, ...]:
        """Return the columns of one struct array: a `Column` each, or `Keys` where asked for.

        Raises
        ------
        UnsupportedTypeError
            When whole rows are null, as only nested data can have it.
        """
        if array.null_count > 0:
            raise UnsupportedTypeError(
                "A table's rows must not be null as a whole. Received: an Arrow struct array "
                f"with {array.null_count} null rows. Flatten it first."
            )
        start, rows = array.offset, len(array)
        columns = [read(array.child(index)) for index, read in self._readers]
        if start or any(len(column) != rows for column in columns):
            return tuple(column[start : start + rows] for column in columns)
        return tuple(columns)


def _reader(schema: Any, name: str) -> Callable[[Any], Any]:
    """Return the function that reads arrays of a column's schema, as keys if the name says so."""
    if isinstance(name, KeyName):
        from evenly.sources.arrow_keys import read_keys

        return lambda array: read_keys(schema, array)
    return reader_of(schema)


def reader_of(schema: Any, *, codes: bool = False) -> Reader:
    """Return the function that reads arrays of a column's schema; of a dictionary's, its codes."""
    letters = schema.format
    if schema.dictionary is not None and not codes:
        return _dictionary_reader(letters, reader_of(schema.dictionary))
    if letters == "n":
        return lambda array: missing_column(len(array))
    if letters == "b":
        return _read_bits
    if letters.startswith("d:"):
        _, scale = letters[2:].split(",")[:2]
        return lambda array: _read_decimals(array, int(scale))
    dtype = np.dtype(_NUMBERS.get(letters) or _TIMES.get(letters) or "i8")
    time = _kind_of_time(letters) or ""
    return lambda array: _read_numbers(array, dtype, time)


def _read_numbers(array: Any, dtype: np.dtype[Any], time: str = "") -> Column:
    view = array.view()
    start, rows = array.offset, len(array)
    values = buffer_of(view, 1, dtype)[start : start + rows]
    return Column(values, validity_of(array, view), start, time)


def _read_bits(array: Any) -> Column:
    """Return booleans as 0 and 1 in bytes."""
    view = array.view()
    start, stop = array.offset, array.offset + len(array)
    first = start // 8  # only the bytes that these rows touch are unpacked
    packed = buffer_of(view, 1, np.dtype(np.uint8))[first : -(-stop // 8)]
    bits = np.unpackbits(packed, bitorder="little")[start - 8 * first : stop - 8 * first]
    return Column(bits.view(np.bool_), validity_of(array, view), start)


def _read_decimals(array: Any, scale: int) -> Column:
    view = array.view()
    start, rows = array.offset, len(array)
    words = buffer_of(view, 1, np.dtype("<u8"))
    width = view.buffer(1).element_size_bits // 64
    validity = validity_of(array, view)
    return decimal_column(
        words[start * width : (start + rows) * width].reshape(rows, width), scale, validity, start
    )


def _dictionary_reader(letters: str, read_values: Reader) -> Reader:
    dtype = np.dtype(_NUMBERS[letters])

    def read(array: Any) -> Column:
        codes = _read_numbers(array, dtype)
        entries = read_values(array.dictionary)
        if not len(entries):
            return missing_column(len(codes))
        # Where a row is null its code may be anything.
        index = np.clip(codes.values, 0, len(entries) - 1).astype(np.intp)
        present = present_rows(codes) & present_rows(entries)[index]
        return Column(entries.values[index], packed(present), 0)

    return read


def present_rows(column: Column) -> npt.NDArray[np.bool_]:
    """Return for each row whether the validity bitmap has it."""
    if column.validity is None:
        return np.ones(len(column), np.bool_)
    start = column.bit_offset
    bits = np.unpackbits(column.validity, bitorder="little")[start : start + len(column)]
    return bits.view(np.bool_)


def packed(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8] | None:
    """Return a validity bitmap; None when all rows are present."""
    return None if present.all() else np.packbits(present, bitorder="little")


def missing_column(rows: int) -> Column:
    """Return a column of which every row is missing."""
    return Column(np.zeros(rows), np.zeros(-(-rows // 8), np.uint8), 0)


def validity_of(array: Any, view: Any) -> npt.NDArray[np.uint8] | None:
    """Return the validity bitmap of an array; None when all rows are there."""
    if array.null_count == 0 or not view.buffer(0).size_bytes:
        return None
    return buffer_of(view, 0, np.dtype(np.uint8))


def buffer_of(view: Any, index: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a buffer as an array that keeps the Arrow array alive."""
    buffer = view.buffer(index)
    if not buffer.size_bytes:
        return np.empty(0, dtype)
    return np.frombuffer(buffer, dtype)


def _decimal_bits(letters: str) -> int:
    parts = letters[2:].split(",")
    return int(parts[2]) if len(parts) > 2 else 128


def series_reader(schema: Any) -> Reader:
    """Return the function that reads arrays that are a column themselves.

    Raises
    ------
    UnsupportedTypeError
        When the column holds no numbers.
    """
    kind = kind_of(schema)
    if not Field("", kind).fits_when_named:
        raise UnsupportedTypeError(
            "Only columns of numbers, booleans or times can be fitted. "
            f"Received: a column of kind {kind}."
        )
    return reader_of(schema)
