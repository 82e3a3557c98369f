"""Values of group keys: normalization, types, order and text.

A key is a tuple with one part for each column of ``by=``. A part is text, a number, a boolean, a
date, a timestamp, or None for a missing value.
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
By = str | tuple[str, ...] | None
"""The name of the column of keys, or the names; None without names."""

_TYPES: dict[type, str] = {
    **dict.fromkeys((int, float), "number"),
    bool: "boolean",
    str: "text",
    date: "date",
    type(None): "",
}
_MAX_WIDTH = 40
_UNDECODED = re.compile("[\udc80-\udcff]")


def normalize_key(value: object) -> KeyPart:
    """Return the canonical key part for a value: equal values have equal parts.

    NaN, NaT and pandas' NA are missing. A float without a fraction becomes an integer, since
    pandas stores a column of integers with a missing value as floats. Aware timestamps are
    converted to UTC.

    Raises
    ------
    DataError
        For an infinity.
    UnsupportedTypeError
        For a type that cannot be a key.

    >>> normalize_key(3.0), normalize_key(float("nan")), normalize_key("EWR")
    (3, None, 'EWR')
    """
    if value is None or type(value) is bool:
        return value
    if isinstance(value, str):
        return _check_text(str(value))
    if type(value) is int and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, datetime):
        return _normalize_timestamp(value)
    if type(value) is date:
        return value
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return normalize_key(value.item())  # a NumPy scalar or a 0-d tensor
    if isinstance(value, float):
        return _normalize_float(value)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return int(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise UnsupportedTypeError(
        "A group's key must be text, a 64-bit number, a boolean, a date or a timestamp. "
        f"Received: {value!r} of type {type(value).__name__}. Convert the column of by= first."
    )


def normalize_keys(values: Sequence[Any]) -> Sequence[KeyPart]:
    """Apply `normalize_key` to many values."""
    types = set(map(type, values))
    if types == {str}:
        _check_text("".join(values))
        return values
    is_int64 = types == {int} and min(values) >= -(2**63) and max(values) < 2**64
    return values if is_int64 else list(map(normalize_key, values))


def _check_text(value: str) -> str:
    """Return text after checking that it can be written to a file and read back.

    All text that Python decodes from bytes can: for bytes that are not UTF-8 it uses surrogates
    from one range (PEP 383). Two other surrogates next to each other would be different text in
    JSON.
    """
    if (surrogate := first_surrogate(value)) is not None:
        raise DataError(
            "A group's key must be valid Unicode text. "
            f"Received: the surrogate U+{ord(surrogate):04X}, which is not a character. "
            "Correct the column of by= first."
        )
    return value


def first_surrogate(text: str) -> str | None:
    r"""Return the first surrogate that does not represent a byte, or None.

    >>> first_surrogate("a"), first_surrogate("\udcfc"), first_surrogate("\ud800")
    (None, None, '\ud800')
    """
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        return text[error.start]
    return None


def has_undecoded(values: Iterable[object]) -> bool:
    r"""Return whether any text among the values was decoded from bytes that are not UTF-8.

    >>> has_undecoded(["Zürich"]), has_undecoded([b"Z\xfcrich".decode(errors="surrogateescape")])
    (False, True)
    """
    return _UNDECODED.search("".join(value for value in values if type(value) is str)) is not None


def _normalize_float(value: float) -> KeyPart:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise DataError(
            f"A group's key must be finite. Received: {value}. Correct it, or make it missing."
        )
    is_int64 = value.is_integer() and abs(value) < 2**63
    return int(value) if is_int64 else float(value)


def _normalize_timestamp(value: datetime) -> KeyPart:
    if value != value:  # pandas' NaT
        return None
    if getattr(value, "nanosecond", 0):
        raise sub_microsecond_error(value)
    # Drop the fields of subclasses such as pandas.Timestamp: files store plain timestamps.
    plain = datetime(*value.timetuple()[:6], value.microsecond)
    offset = value.utcoffset()
    return plain if offset is None else (plain - offset).replace(tzinfo=UTC)


def year_out_of_range_error(value: object) -> UnsupportedTypeError:
    """Return the error for a date that cannot be a key."""
    return UnsupportedTypeError(
        "A date that is a key must be in the years 1 to 9999. "
        f"Received: {value}. Correct the column of by= first, or make it missing."
    )


def sub_microsecond_error(value: object) -> UnsupportedTypeError:
    """Return the error for a timestamp that cannot be a key."""
    return UnsupportedTypeError(
        "A timestamp that is a key must be in whole microseconds and in the years 1 to 9999. "
        f"Received: {value}. Truncate the column of by= first, for example to the hour."
    )


def key_type(part: KeyPart) -> str:
    """Return the type of a key part; the parts of a column must have the same type.

    >>> key_type(3), key_type("EWR"), key_type(None)
    ('number', 'text', '')
    """
    if isinstance(part, datetime):
        return "timestamp" if part.tzinfo is None else "timestamp in UTC"
    return _TYPES[type(part)]


def merge_key_types(
    known: Sequence[str], keys: Iterable[Key], by: By, label: str
) -> tuple[str, ...]:
    """Return the types of the columns of keys, updated with more keys.

    Raises
    ------
    DataError
        When the type of a part differs from the known type of its column.
    """
    types = list(known)
    for i, parts in enumerate(zip(*keys, strict=True)):
        new_types = _types_of(parts) | {types[i]}
        new_types.discard("")
        if len(new_types) > 1:
            expected = types[i] or next(
                part_type for part in parts if (part_type := key_type(part))
            )
            part = next(part for part in parts if key_type(part) not in ("", expected))
            name = f"column {by if isinstance(by, str) else by[i]!r}" if by else "by="
            raise DataError(
                f"The keys of groups must be of one type. Received: {name} with {part!r}, a "
                f"{key_type(part)}, in {label or 'the array'}; previous keys have the type "
                f"{expected}. Convert one of them."
            )
        types[i] = new_types.pop() if new_types else ""
    return tuple(types)


def _types_of(parts: Sequence[KeyPart]) -> set[str]:
    by_class = dict(zip(map(type, parts), parts, strict=True))
    return {key_type(part) for part in (parts if datetime in by_class else by_class.values())}


def sort_key(key: Key) -> tuple[Any, ...]:
    """Return the sort key of a group key; missing parts sort last.

    >>> sorted([("b",), (None,), ("a",)], key=sort_key)
    [('a',), ('b',), (None,)]
    """
    return tuple((part is None, "" if part is None else part) for part in key)


def format_key(key: Key) -> str:
    """Return a key as text for tables and messages.

    >>> format_key(("EWR", 3)), format_key((None,))
    ('EWR, 3', '(missing)')
    """
    return join_key(key_texts(key), _MAX_WIDTH)


def key_texts(key: Key) -> tuple[str | None, ...]:
    """Return each part of a key as text, which differs for different keys.

    >>> key_texts(("EWR", 3, None))
    ('EWR', '3', None)
    """
    return tuple(
        part.isoformat(" ") if isinstance(part, datetime) else None if part is None else str(part)
        for part in key
    )


def join_key(texts: tuple[str | None, ...], width: int | None = None) -> str:
    """Return the parts of a key as one text, which may be the same for different keys.

    Parameters
    ----------
    width
        The greatest width of a part; None: any.
    """
    parts = ("(missing)" if text is None else printable(text) for text in texts)
    return ", ".join(
        part if width is None or len(part) <= width else part[: width - 1] + "…" for part in parts
    )
