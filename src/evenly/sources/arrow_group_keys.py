"""Arrow's columns as keys: texts are compared where they lie, in Arrow's buffers.

Bytes of a text that are not UTF-8 are kept as Python's surrogateescape has them (PEP 383).
"""

from typing import Any

import numpy as np

from evenly import _core
from evenly.block import Column, Keys
from evenly.errors import UnsupportedTypeError
from evenly.sources.arrow import (
    buffer_of,
    indices_of,
    kind_of,
    named,
    present_rows,
    reader_of,
    validity_of,
)
from evenly.sources.arrow_input import open_stream
from evenly.sources.group_keys import keys_of_column, keys_of_words, numbered
from evenly.sources.selection import NULL, NUMBER

_INLINE = 12
"""Bytes of a text that its view holds itself (Arrow's variable-size binary view)."""


def read_keys(schema: Any, array: Any) -> Keys:
    """Return an array of a column's schema as keys.

    Raises
    ------
    UnsupportedTypeError
        For what can be no key: bytes, durations, nested values.
    """
    if schema.dictionary is not None:
        return _of_dictionary(schema, array)
    letters, kind = schema.format, kind_of(schema)
    if kind == NULL:
        return numbered(np.empty(0, np.int64), (), np.zeros(len(array), np.bool_))
    if letters in ("u", "U"):
        return _of_texts(array, np.int32 if letters == "u" else np.int64)
    if letters == "vu":
        return _of_views(array)
    if kind == NUMBER or kind.startswith(("date", "timestamp")):
        zone = letters.partition(":")[2] if letters.startswith("ts") else ""
        return keys_of_column(reader_of(schema)(array), zone)
    raise UnsupportedTypeError(
        "A group's key must be text, a number, a boolean, a date or a timestamp. "
        f"Received: a column of kind {kind}. Convert the column of by= first."
    )


def series_keys(x: Any, name: str = "", place: str = "the keys") -> Keys:
    """Return something that is one column of Arrow data as keys."""
    stream = open_stream(x, place)
    schema = stream.get_schema()
    try:
        return chained([read_keys(schema, array) for array in stream])
    except (ValueError, TypeError, RuntimeError) as why:
        raise named(why, name, place) from None


def chained(parts: list[Keys]) -> Keys:
    """Return the keys of rows below each other."""
    if len(parts) == 1:
        return parts[0]
    places: dict[Any, int] = {}
    codes = [np.empty(0, np.int64)]
    for part in parts:
        known = [places.setdefault(entry, len(places)) for entry in part.entries]
        codes.append(np.array(known, np.int64)[part.codes])
    return Keys(np.concatenate(codes), tuple(places))


def _of_dictionary(schema: Any, array: Any) -> Keys:
    entries = read_keys(schema.dictionary, array.dictionary)
    codes = reader_of(schema, codes=True)(array)
    index = indices_of(codes, len(entries))
    if not len(entries):
        return numbered(np.empty(0, np.int64), (), np.zeros(len(codes), np.bool_))
    present = None if codes.validity is None else present_rows(codes)
    words = entries.codes[index]
    return keys_of_words(
        words, present, lambda rows: [entries.entries[code][0] for code in words[rows].tolist()]
    )


def _of_texts(array: Any, width: Any) -> Keys:
    view = array.view()
    start, rows = array.offset, len(array)
    ends = buffer_of(view, 1, np.dtype(width))[start : start + rows + 1].astype(np.int64)
    if not rows:
        return Keys(np.empty(0, np.int64), ())
    data = buffer_of(view, 2, np.dtype(np.uint8))
    return _numbered_texts(array, view, [data], np.zeros(rows, np.int32), ends[:-1], np.diff(ends))


def _of_views(array: Any) -> Keys:
    view = array.view()
    start, rows = array.offset, len(array)
    views = buffer_of(view, 1, np.dtype(np.int32)).reshape(-1, 4)[start : start + rows]
    if not rows:
        return Keys(np.empty(0, np.int64), ())
    views = np.ascontiguousarray(views)
    lengths = views[:, 0].astype(np.int64)
    inline = lengths <= _INLINE
    more = [buffer_of(view, i, np.dtype(np.uint8)) for i in range(2, view.n_buffers - 1)]
    which = np.where(inline, 0, views[:, 2] + 1).astype(np.int32)
    offsets = np.where(inline, np.arange(rows, dtype=np.int64) * 16 + 4, views[:, 3])
    buffers = [views.reshape(-1).view(np.uint8), *more]
    return _numbered_texts(array, view, buffers, which, offsets, lengths)


def _numbered_texts(
    array: Any, view: Any, buffers: Any, which: Any, offsets: Any, lengths: Any
) -> Keys:
    validity = validity_of(array, view)
    present = None
    if validity is not None:
        present = present_rows(Column(lengths, validity, array.offset))
        which, offsets, lengths = (
            np.ascontiguousarray(part[present]) for part in (which, offsets, lengths)
        )
    codes, first = _core.number_texts(buffers, which, offsets.astype(np.int64), lengths)
    texts = [
        buffers[which[row]][offsets[row] : offsets[row] + lengths[row]]
        .tobytes()
        .decode(errors="surrogateescape")
        for row in first.tolist()
    ]
    return numbered(codes, texts, present)
