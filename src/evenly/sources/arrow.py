"""Convert Arrow C data to columns that are views of its buffers where possible.

Frames of all libraries are read here, through the PyCapsule protocol. `arrow_schema` says which
column has which kind.
"""

import ctypes
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from evenly.block import Column, WideIntegers, mask_to_validity, missing_column, validity_to_mask
from evenly.errors import DataError, EvenlyError
from evenly.sources.arrow_input import Error, invalid_arrow_error
from evenly.sources.arrow_schema import NUMBER_FORMATS, time_kind
from evenly.sources.decimals import decimal_column
from evenly.sources.exact_rows import with_missing
from evenly.sources.group_keys import locate_error
from evenly.sources.object_columns import object_column
from evenly.typing import AnyArray, AnyDtype

if TYPE_CHECKING:
    from nanoarrow.c_array import CArray, CArrayView
    from nanoarrow.c_schema import CSchema


_TIMES = {"tdD": "i4", "tdm": "i8", "tts": "i4", "ttm": "i4", "ttu": "i8", "ttn": "i8"}
_MAX_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}
"""Maximum digits of a decimal by its bits, which also limit its scale."""

ReadColumn: TypeAlias = "Callable[[CArray], Column]"
"""Return an Arrow array as a column."""


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
    dtype = np.dtype(NUMBER_FORMATS.get(arrow_format) or _TIMES.get(arrow_format) or "i8")
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
    dtype = np.dtype(NUMBER_FORMATS[arrow_format])

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

    def read(array: "CArray") -> Column:
        runs = read_values(array.child(1))
        index = runs_of_rows(array, arrow_format, len(runs))
        return take(runs, index, np.ones(len(index), np.bool_))

    return read


def runs_of_rows(array: "CArray", arrow_format: str, runs: int) -> npt.NDArray[np.intp]:
    """Return the run of each row of a run-end encoded array.

    Parameters
    ----------
    arrow_format
        The format of the rows where runs end.
    runs
        The number of runs.

    Raises
    ------
    ValueError
        If the array has more rows than its runs.
    """
    ends = _read_numbers(array.child(0), np.dtype(NUMBER_FORMATS[arrow_format])).values
    rows = np.arange(array.offset, array.offset + len(array))
    index = np.searchsorted(ends, rows, side="right")
    if len(index) and index.max() >= min(len(ends), runs):
        raise ValueError(f"{runs} runs that end at row {ends[-1] if len(ends) else 0}")
    return index


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
