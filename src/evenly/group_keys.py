"""The key of a group: which values it may have, their order, and how they are written.

A key is a tuple with a part for each column of ``by=``. A part is text, a number, a boolean, a
date, a timestamp, or None, which stands for a missing value.
"""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from evenly.errors import DataError, UnsupportedTypeError
from evenly.printable import printable

KeyPart = str | int | float | bool | date | datetime | None
Key = tuple[KeyPart, ...]

_TYPES: dict[type, str] = {
    **dict.fromkeys((int, float), "number"),
    bool: "boolean",
    str: "text",
    date: "date",
    type(None): "",
}
_MAX_WIDTH = 40
_UNDECODED = re.compile("[\udc80-\udcff]")


def normalize_key(value: Any) -> KeyPart:
    """Return a value as the part of a key: one spelling for what is the same.

    NaN, NaT and pandas' NA are missing. A whole float is the integer: a column of integers with
    a missing value is one of floats in pandas. Aware timestamps are in UTC.

    Raises
    ------
    DataError
        For an infinity.
    UnsupportedTypeError
        For what can be no key.

    >>> normalize_key(3.0), normalize_key(float("nan")), normalize_key("EWR")
    (3, None, 'EWR')
    """
    if value is None or type(value) is bool:
        return value
    if isinstance(value, str):
        return _text(str(value))
    if type(value) is int and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, datetime):
        return _timestamp(value)
    if type(value) is date:
        return value
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return normalize_key(value.item())  # a NumPy scalar, a tensor of one value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return int(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise UnsupportedTypeError(
        "A group's key must be text, a number of 64 bits, a boolean, a date or a timestamp. "
        f"Received: {value!r} of type {type(value).__name__}. Convert the column of by= first."
    )


def normalize_keys(values: Sequence[Any]) -> Sequence[KeyPart]:
    """Return many values as `normalize_key` does each."""
    types = set(map(type, values))
    if types == {str}:
        _text("".join(values))
        return values
    whole = types == {int} and min(values) >= -(2**63) and max(values) < 2**64
    return values if whole else list(map(normalize_key, values))


def _text(value: str) -> str:
    """Return a text that can be written into a file and read again.

    That is any that Python makes of bytes: of those that are not UTF-8 it keeps surrogates of one
    kind (PEP 383). In JSON the others would become another text, if two of them meet.
    """
    if (wrong := first_surrogate(value)) is not None:
        raise DataError(
            "A group's key must be text that can be written. "
            f"Received: the surrogate U+{ord(wrong):04X}, which no text may have. "
            "Correct the column of by= first."
        )
    return value


def first_surrogate(text: str) -> str | None:
    r"""Return the first surrogate of a text that stands for no byte, if there is one.

    >>> first_surrogate("a"), first_surrogate("\udcfc"), first_surrogate("\ud800")
    (None, None, '\ud800')
    """
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        return text[error.start]
    return None


def has_undecoded(values: Iterable[object]) -> bool:
    r"""Return whether there is a text among values that was made of bytes that are not UTF-8.

    >>> has_undecoded(["Zürich"]), has_undecoded([b"Z\xfcrich".decode(errors="surrogateescape")])
    (False, True)
    """
    return _UNDECODED.search("".join(value for value in values if type(value) is str)) is not None


def _number(value: float) -> KeyPart:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise DataError(
            f"A group's key must be finite. Received: {value}. Correct it, or make it missing."
        )
    whole = value.is_integer() and abs(value) < 2**63
    return int(value) if whole else float(value)


def _timestamp(value: datetime) -> KeyPart:
    if value != value:  # pandas' NaT
        return None
    if getattr(value, "nanosecond", 0):
        raise sub_microsecond_error(value)
    # A subclass's own fields (pandas' Timestamp) go: what is read from a file equals it.
    plain = datetime(*value.timetuple()[:6], value.microsecond)
    offset = value.utcoffset()
    return plain if offset is None else (plain - offset).replace(tzinfo=UTC)


def year_out_of_range_error(value: object) -> UnsupportedTypeError:
    """Return the error for a date that no key can hold."""
    return UnsupportedTypeError(
        "A date that is a key must be one of the years 1 to 9999. "
        f"Received: {value}. Correct the column of by= first, or make it missing."
    )


def sub_microsecond_error(value: object) -> UnsupportedTypeError:
    """Return the error for a timestamp that no key can hold."""
    return UnsupportedTypeError(
        "A timestamp that is a key must be one of whole microseconds, of the years 1 to 9999. "
        f"Received: {value}. Truncate the column of by= first: to the hour, for example."
    )


def key_type(part: KeyPart) -> str:
    """Return what a part is; parts of one column must be alike.

    >>> key_type(3), key_type("EWR"), key_type(None)
    ('number', 'text', '')
    """
    if isinstance(part, datetime):
        return "timestamp" if part.tzinfo is None else "timestamp in UTC"
    return _TYPES[type(part)]


def merge_key_types(
    known: Sequence[str], keys: Iterable[Key], by: str | tuple[str, ...] | None, label: str
) -> tuple[str, ...]:
    """Return the kinds of the parts after more keys have come.

    Raises
    ------
    DataError
        When a part is of another kind than before.
    """
    kinds = list(known)
    for i, parts in enumerate(zip(*keys, strict=True)):
        found = _types_of(parts) | {kinds[i]}
        found.discard("")
        if len(found) > 1:
            before = kinds[i] or next(kind for part in parts if (kind := key_type(part)))
            part = next(part for part in parts if key_type(part) not in ("", before))
            name = f"column {by if isinstance(by, str) else by[i]!r}" if by else "by="
            raise DataError(
                f"The keys of groups must be of one kind. Received: {name} with {part!r}, a "
                f"{key_type(part)}, in {label or 'the array'}; before, each was a {before}. "
                "Convert one of them."
            )
        kinds[i] = found.pop() if found else ""
    return tuple(kinds)


def _types_of(parts: Sequence[KeyPart]) -> set[str]:
    one_of_each = dict(zip(map(type, parts), parts, strict=True))
    return {key_type(part) for part in (parts if datetime in one_of_each else one_of_each.values())}


def sort_key(key: Key) -> tuple[Any, ...]:
    """Return what keys are sorted by: missing ones come last.

    >>> sorted([("b",), (None,), ("a",)], key=sort_key)
    [('a',), ('b',), (None,)]
    """
    return tuple((part is None, "" if part is None else part) for part in key)


def format_key(key: Key) -> str:
    """Return a key for people: in a table, or in a message.

    >>> format_key(("EWR", 3)), format_key((None,))
    ('EWR, 3', '(missing)')
    """
    return ", ".join(map(_format_part, key))


def _format_part(part: KeyPart) -> str:
    if part is None:
        return "(missing)"
    text = part.isoformat(" ") if isinstance(part, datetime) else str(part)
    text = printable(text)
    return text if len(text) <= _MAX_WIDTH else text[: _MAX_WIDTH - 1] + "…"
