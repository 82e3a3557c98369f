"""Convert Arrow C data to columns that are views of its buffers where possible.

Frames of all libraries are read here, through the PyCapsule protocol. Format strings are those of
the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html).
"""

import ctypes
import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Column, WideIntegers, mask_to_validity, missing_column, validity_to_mask
from evenly.errors import DataError, EvenlyError
from evenly.sources.arrow_input import Error, decoding_names, invalid_arrow_error
from evenly.sources.decimals import decimal_column
from evenly.sources.exact_rows import with_missing
from evenly.sources.group_keys import locate_error
from evenly.sources.object_columns import object_column
from evenly.sources.selection import NULL, NUMBER, Field, is_selectable
from evenly.typing import AnyArray, AnyDtype

if TYPE_CHECKING:
    from nanoarrow.c_array import CArray, CArrayView
    from nanoarrow.c_schema import CSchema


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
_MAX_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}
"""Maximum digits of a decimal by its bits, which also limit its scale."""
_TEXT = {"u", "U", "vu"}
_BINARY = {"z", "Z", "vz"}


def column_kind(schema: "CSchema") -> str:
    """Return the kind of a column, as `Field` has it, from its Arrow schema."""
    if schema.dictionary is not None:
        return kind_of_category(column_kind(schema.dictionary))
    arrow_format = schema.format
    if arrow_format == "+r":  # run ends and values
        return column_kind(schema.child(1))
    if arrow_format in _NUMBERS or arrow_format == "b":
        return NUMBER
    if arrow_format == "n":
        return NULL
    if arrow_format in _TEXT:
        return NUMBER if arrow_format != "vu" and _is_numeric_text(schema) else "text"
    if arrow_format in _BINARY or arrow_format.startswith("w:"):
        return "binary"
    if arrow_format.startswith("d:"):
        return NUMBER
    return time_kind(arrow_format) or "nested"


def _is_numeric_text(schema: "CSchema") -> bool:
    """Return whether ADBC's driver sends texts for the type numeric of PostgreSQL.

    The type allows 131,072 digits, for which Arrow has no type.
    """
    metadata = dict(schema.metadata or {})
    if metadata.get(b"ADBC:postgresql:typname") == b"numeric":
        return True
    opaque = metadata.get(b"ARROW:extension:name") == b"arrow.opaque"
    return opaque and b'"numeric"' in metadata.get(b"ARROW:extension:metadata", b"")


def kind_of_category(kind: str) -> str:
    """Return the kind of a column of categories from the kind of its categories.

    >>> kind_of_category("number"), kind_of_category("date[day]"), kind_of_category("text")
    ('number', 'date[day]', 'category')
    """
    return kind if kind != NULL and is_selectable(kind) else "category"


def time_kind(arrow_format: str) -> str | None:
    """Return the kind of a column of times, or None; see `Field`."""
    if not arrow_format.startswith("t"):
        return None
    if arrow_format in ("tdD", "tdm"):
        return "date[day]" if arrow_format == "tdD" else "date[ms]"
    for start, kind in (("tt", "time"), ("ts", "timestamp"), ("tD", "duration")):
        if arrow_format.startswith(start):
            return f"{kind}[{_UNITS[arrow_format[2]]}]"
    return "interval" if arrow_format.startswith("ti") else None


def fields_of(schema: "CSchema", label: str, error: Error = DataError) -> tuple[Field, ...]:
    """Return the fields of a table's Arrow schema; an index stored by pandas is marked.

    Raises
    ------
    EvenlyError
        Of the class ``error``, if a column name is not UTF-8.
    """
    index = _index_names(schema)
    names, formats = read_fields(schema, label, error)
    kinds = [
        _kind_of_format(arrow_format) if arrow_format else column_kind(schema.child(position))
        for position, arrow_format in enumerate(formats)
    ]
    if index:
        kinds = ["index" if name in index else k for name, k in zip(names, kinds, strict=True)]
    return tuple(map(Field, names, kinds))


@lru_cache(maxsize=256)
def _kind_of_format(arrow_format: str) -> str:
    return NUMBER if arrow_format in _NUMBERS else time_kind(arrow_format) or ""


def read_fields(
    schema: "CSchema", label: str, error: Error = DataError
) -> tuple[list[str], list[str]]:
    """Return the names and the formats of a table's columns, without an object for each of them.

    The format is empty if it does not say all: columns with a dictionary or children, and those
    that are not numbers or times in a buffer.

    Raises
    ------
    EvenlyError
        Of the class ``error``, if a name is not UTF-8.
    """
    with decoding_names(label, error):
        return _core.read_fields(schema._addr())


def _index_names(schema: "CSchema") -> set[str]:
    """Return the names of the columns that pandas metadata marks as the index."""
    metadata = dict(schema.metadata or {})
    try:
        stored = json.loads(metadata.get(b"pandas", b"{}"))
        return {name for name in stored.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return set()  # other metadata under the same key


ReadColumn: TypeAlias = "Callable[[CArray], Column]"


def column_error(why: Exception, name: str, label: str, error: Error = DataError) -> Exception:
    """Return the error for an exception raised while a column is read; it names the column.

    An error of evenly is about a group key; any other one, such as nanoarrow's, is about the Arrow
    data.
    """
    if isinstance(why, EvenlyError):
        return locate_error(why, name, label)
    return invalid_arrow_error(str(name), label, why, error)


def reader_of(schema: "CSchema", *, codes: bool = False) -> ReadColumn:
    """Return the function that reads a column, or the codes of a dictionary column."""
    arrow_format = schema.format
    if schema.dictionary is not None and not codes:
        return _dictionary_reader(arrow_format, reader_of(schema.dictionary))
    if arrow_format == "+r":
        return _run_end_reader(schema.child(0).format, reader_of(schema.child(1)))
    if arrow_format == "n":
        return lambda array: missing_column(len(array))
    if arrow_format == "b":
        return _read_bits
    if arrow_format in ("u", "U"):
        return _numeric_text_reader(arrow_format)
    if arrow_format.startswith("d:"):
        scale, bits = _decimal_scale(arrow_format), _decimal_bits(arrow_format)
        return lambda array: _read_decimals(array, scale, bits)
    dtype = np.dtype(_NUMBERS.get(arrow_format) or _TIMES.get(arrow_format) or "i8")
    time = time_kind(arrow_format) or ""
    return lambda array: _read_numbers(array, dtype, time)


def _read_numbers(array: "CArray", dtype: AnyDtype, time: str = "") -> Column:
    view = array.view()
    start, rows = array.offset, len(array)
    values = buffer_array(view, 1, dtype)[start : start + rows]
    return Column(values, validity_of(array, view), start, time)


def _read_bits(array: "CArray") -> Column:
    """Return a column of booleans, one byte per value."""
    view = array.view()
    start, stop = array.offset, array.offset + len(array)
    first = start // 8  # unpack only the bytes of these rows
    packed = buffer_array(view, 1, np.dtype(np.uint8))[first : -(-stop // 8)]
    bits = np.unpackbits(packed, bitorder="little")[start - 8 * first : stop - 8 * first]
    return Column(bits.view(np.bool_), validity_of(array, view), start)


def _read_decimals(array: "CArray", scale: int, bits: int) -> Column:
    view = array.view()
    start, rows = array.offset, len(array)
    validity = validity_of(array, view)
    if bits < 128:
        integers = _small_integers(array, np.dtype(f"<i{bits // 8}"))
        return decimal_column(integers.view("<u8")[:, np.newaxis], scale, validity, start)
    words = buffer_array(view, 1, np.dtype("<u8"))
    width = bits // 64
    return decimal_column(
        words[start * width : (start + rows) * width].reshape(rows, width), scale, validity, start
    )


def _numeric_text_reader(arrow_format: str) -> ReadColumn:
    """Return the function that reads numbers as texts, whose ends are in another buffer."""
    dtype = np.dtype("i4" if arrow_format == "u" else "i8")

    def read(array: "CArray") -> Column:
        view = array.view()
        start, rows = array.offset, len(array)
        ends = buffer_array(view, 1, dtype)[start : start + rows + 1].tolist()
        text = buffer_array(view, 2, np.dtype(np.uint8)).tobytes()
        present = validity_to_mask(Column(np.empty(rows), validity_of(array, view), start))
        values = np.empty(rows, object)
        for row in np.flatnonzero(present):
            values[row] = Decimal(text[ends[row] : ends[row + 1]].decode())
        return object_column(values, "a column of numeric")

    return read


def _small_integers(array: "CArray", dtype: AnyDtype) -> npt.NDArray[np.int64]:
    """Return a copy of the integers of decimals of 32 or 64 bits.

    nanoarrow 0.9.0 has no views of their buffers: "Unsupported Arrow type_id".
    """
    start, rows, address = array.offset, len(array), array.buffers[1]
    content = ctypes.string_at(address, (start + rows) * dtype.itemsize) if rows else b""
    return np.frombuffer(content, dtype)[start:].astype(np.int64)


def _dictionary_reader(arrow_format: str, read_values: ReadColumn) -> ReadColumn:
    dtype = np.dtype(_NUMBERS[arrow_format])

    def read(array: "CArray") -> Column:
        codes = _read_numbers(array, dtype)
        entries = read_values(array.dictionary)
        index = checked_codes(codes, len(entries))
        if not len(entries):
            return missing_column(len(codes))
        return take(entries, index, validity_to_mask(codes))

    return read


def _run_end_reader(arrow_format: str, read_values: ReadColumn) -> ReadColumn:
    """Return the function that reads runs of equal values, each with the row where it ends."""
    dtype = np.dtype(_NUMBERS[arrow_format])

    def read(array: "CArray") -> Column:
        ends = _read_numbers(array.child(0), dtype).values
        runs = read_values(array.child(1))
        rows = np.arange(array.offset, array.offset + len(array))
        index = np.searchsorted(ends, rows, side="right")
        if len(index) and index[-1] >= min(len(ends), len(runs)):
            raise ValueError(f"{len(runs)} runs that end at row {ends[-1] if len(ends) else 0}")
        return take(runs, index, np.ones(len(index), np.bool_))

    return read


def take(entries: Column, index: npt.NDArray[np.intp], present: npt.NDArray[np.bool_]) -> Column:
    """Return the entries of a column at some positions, except where ``present`` is False."""
    known = present & validity_to_mask(entries)[index]
    wide = entries.wide
    if wide is not None:
        rows = index[known]
        wide = with_missing(WideIntegers(wide.words[rows], wide.dtypes[rows]), known)
    return Column(entries.values[index], mask_to_validity(known), 0, entries.dtype, wide)


def checked_codes(codes: Column, entries: int) -> npt.NDArray[np.intp]:
    """Return dictionary codes as valid indices; codes of null rows can have any value.

    Raises
    ------
    ValueError
        If the code of a row that is not null is out of range.
    """
    values = codes.values
    outside = (values < 0) | (values >= entries)
    if not outside.any():
        return values.astype(np.intp)
    invalid = np.flatnonzero(outside & validity_to_mask(codes))
    if len(invalid):
        raise ValueError(f"the code {values[invalid[0]]} in a dictionary of {entries} entries")
    return np.where(outside, 0, values).astype(np.intp)


def validity_of(array: "CArray", view: "CArrayView") -> npt.NDArray[np.uint8] | None:
    """Return the validity bitmap of an array; None if all rows are valid."""
    if array.null_count == 0 or not view.buffer(0).size_bytes:
        return None
    return buffer_array(view, 0, np.dtype(np.uint8))


def buffer_array(view: "CArrayView", index: int, dtype: AnyDtype) -> AnyArray:
    """Return a view of a buffer that keeps the Arrow array alive."""
    buffer = view.buffer(index)
    if not buffer.size_bytes:
        return np.empty(0, dtype)
    return np.frombuffer(buffer, dtype)


def _decimal_bits(arrow_format: str) -> int:
    fields = arrow_format[2:].split(",")
    return int(fields[2]) if len(fields) > 2 else 128


def _decimal_scale(arrow_format: str) -> int:
    """Return the scale of a decimal type.

    Raises
    ------
    ValueError
        If it exceeds the digits of the type: ``10**scale`` is computed for each value.
    """
    scale = int(arrow_format[2:].split(",")[1])
    limit = _MAX_DIGITS[_decimal_bits(arrow_format)]
    if abs(scale) > limit:
        raise ValueError(f"decimals of scale {scale}, where at most {limit} is possible")
    return scale
