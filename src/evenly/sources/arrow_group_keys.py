"""Factorize Arrow columns to group keys; strings are compared in Arrow's buffers.

Bytes that are not valid UTF-8 are decoded with surrogateescape (PEP 383).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Column, GroupKeys, validity_to_mask
from evenly.errors import UnsupportedTypeError
from evenly.sources.arrow import (
    buffer_array,
    checked_codes,
    column_error,
    reader_of,
    runs_of_rows,
    validity_of,
)
from evenly.sources.arrow_input import open_arrow_stream
from evenly.sources.arrow_schema import column_kind
from evenly.sources.fields import NULL, NUMBER
from evenly.sources.group_keys import factorize_column, factorize_words, from_codes
from evenly.typing import AnyArray

if TYPE_CHECKING:
    from nanoarrow.c_array import CArray, CArrayView
    from nanoarrow.c_schema import CSchema


_INLINE = 12
"""Maximum length of a string stored inline in its view (Arrow's binary view layout)."""


def factorize_arrow(schema: "CSchema", array: "CArray") -> GroupKeys:
    """Factorize an array of a column.

    Raises
    ------
    UnsupportedTypeError
        If the type cannot be a key: bytes, durations, nested values.
    """
    if schema.dictionary is not None:
        return _factorize_dictionary(schema, array)
    if schema.format == "+r":
        return _factorize_runs(schema, array)
    arrow_format, kind = schema.format, column_kind(schema)
    if kind == NULL:
        return from_codes(np.empty(0, np.int64), (), np.zeros(len(array), np.bool_))
    if arrow_format in ("u", "U"):
        return _factorize_strings(array, np.int32 if arrow_format == "u" else np.int64)
    if arrow_format == "vu":
        return _factorize_string_views(array)
    if kind == NUMBER or kind.startswith(("date", "timestamp")):
        zone = arrow_format.partition(":")[2] if arrow_format.startswith("ts") else ""
        return factorize_column(reader_of(schema)(array), zone)
    raise UnsupportedTypeError(
        "A group's key must be text, a number, a boolean, a date or a timestamp. "
        f"Received: a column of type {kind}. Convert the column of by= first."
    )


def factorize_series(x: object, name: str = "", label: str = "the keys") -> GroupKeys:
    """Factorize a single column of Arrow data."""
    stream = open_arrow_stream(x, label)
    schema = stream.get_schema()
    try:
        return concat_keys([factorize_arrow(schema, array) for array in stream])
    except (ValueError, TypeError, RuntimeError) as why:
        raise column_error(why, name, label) from None


def concat_keys(keys: list[GroupKeys]) -> GroupKeys:
    """Concatenate the keys of consecutive rows."""
    if len(keys) == 1:
        return keys[0]
    positions: dict[object, int] = {}
    codes = [np.empty(0, np.int64)]
    for piece in keys:
        merged = [positions.setdefault(entry, len(positions)) for entry in piece.uniques]
        codes.append(np.array(merged, np.int64)[piece.codes])
    return GroupKeys(np.concatenate(codes), tuple(positions))


def _factorize_dictionary(schema: "CSchema", array: "CArray") -> GroupKeys:
    entries = factorize_arrow(schema.dictionary, array.dictionary)
    codes = reader_of(schema, codes=True)(array)
    index = checked_codes(codes, len(entries))
    if not len(entries):
        return from_codes(np.empty(0, np.int64), (), np.zeros(len(codes), np.bool_))
    present = None if codes.validity is None else validity_to_mask(codes)
    return _take(entries, index, present)


def _factorize_runs(schema: "CSchema", array: "CArray") -> GroupKeys:
    entries = factorize_arrow(schema.child(1), array.child(1))
    index = runs_of_rows(array, schema.child(0).format, len(entries))
    return _take(entries, index) if len(index) else GroupKeys(np.empty(0, np.int64), ())


def _take(
    entries: GroupKeys, index: npt.NDArray[np.intp], present: npt.NDArray[np.bool_] | None = None
) -> GroupKeys:
    """Return the keys at some positions; missing ones except where ``present`` is True."""
    words = entries.codes[index]
    return factorize_words(
        words, present, lambda rows: [entries.uniques[code][0] for code in words[rows].tolist()]
    )


def _factorize_strings(array: "CArray", width: type[np.int32] | type[np.int64]) -> GroupKeys:
    view = array.view()
    start, rows = array.offset, len(array)
    ends = buffer_array(view, 1, np.dtype(width))[start : start + rows + 1].astype(np.int64)
    if not rows:
        return GroupKeys(np.empty(0, np.int64), ())
    data = buffer_array(view, 2, np.dtype(np.uint8))
    return _factorize_buffers(
        array, view, [data], np.zeros(rows, np.int32), ends[:-1], np.diff(ends)
    )


def _factorize_string_views(array: "CArray") -> GroupKeys:
    view = array.view()
    start, rows = array.offset, len(array)
    views = buffer_array(view, 1, np.dtype(np.int32)).reshape(-1, 4)[start : start + rows]
    if not rows:
        return GroupKeys(np.empty(0, np.int64), ())
    views = np.ascontiguousarray(views)
    lengths = views[:, 0].astype(np.int64)
    inline = lengths <= _INLINE
    more = [buffer_array(view, i, np.dtype(np.uint8)) for i in range(2, view.n_buffers - 1)]
    buffer_indices = np.where(inline, 0, views[:, 2] + 1).astype(np.int32)
    offsets = np.where(inline, np.arange(rows, dtype=np.int64) * 16 + 4, views[:, 3])
    buffers = [views.reshape(-1).view(np.uint8), *more]
    return _factorize_buffers(array, view, buffers, buffer_indices, offsets, lengths)


def _factorize_buffers(
    array: "CArray",
    view: "CArrayView",
    buffers: Any,
    buffer_indices: AnyArray,
    offsets: AnyArray,
    lengths: AnyArray,
) -> GroupKeys:
    validity = validity_of(array, view)
    present = None
    if validity is not None:
        present = validity_to_mask(Column(lengths, validity, array.offset))
        buffer_indices, offsets, lengths = (
            np.ascontiguousarray(part[present]) for part in (buffer_indices, offsets, lengths)
        )
    codes, first = _core.number_texts(buffers, buffer_indices, offsets.astype(np.int64), lengths)
    strings = [
        buffers[buffer_indices[row]][offsets[row] : offsets[row] + lengths[row]]
        .tobytes()
        .decode(errors="surrogateescape")
        for row in first.tolist()
    ]
    return from_codes(codes, strings, present)
