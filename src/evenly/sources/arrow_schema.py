"""Read the Arrow schemas of tables: the names and the kinds of their columns.

Format strings are those of the Arrow C data interface
(https://arrow.apache.org/docs/format/CDataInterface.html).
"""

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from evenly import _core
from evenly.errors import DataError
from evenly.sources.arrow_input import Error, decoding_names
from evenly.sources.fields import NULL, NUMBER, Field, is_selectable

if TYPE_CHECKING:
    from nanoarrow.c_schema import CSchema


NUMBER_FORMATS = {
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
"""The formats of numbers, and their dtypes."""

_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
_TEXT = {"u", "U", "vu"}
_BINARY = {"z", "Z", "vz"}


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


def column_kind(schema: "CSchema") -> str:
    """Return the kind of a column, as in `Field`, from its Arrow schema."""
    if schema.dictionary is not None:
        return kind_of_category(column_kind(schema.dictionary))
    arrow_format = schema.format
    if arrow_format == "+r":  # run ends and values
        return column_kind(schema.child(1))
    if arrow_format in NUMBER_FORMATS or arrow_format == "b":
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


def time_kind(arrow_format: str) -> str | None:
    """Return the kind of a column of times, as in `Field`; None for other columns."""
    if not arrow_format.startswith("t"):
        return None
    if arrow_format in ("tdD", "tdm"):
        return "date[day]" if arrow_format == "tdD" else "date[ms]"
    for start, kind in (("tt", "time"), ("ts", "timestamp"), ("tD", "duration")):
        if arrow_format.startswith(start):
            return f"{kind}[{_UNITS[arrow_format[2]]}]"
    return "interval" if arrow_format.startswith("ti") else None


def kind_of_category(kind: str) -> str:
    """Return the kind of a column of categories from the kind of its categories.

    >>> kind_of_category("number"), kind_of_category("date[day]"), kind_of_category("text")
    ('number', 'date[day]', 'category')
    """
    return kind if kind != NULL and is_selectable(kind) else "category"


@lru_cache(maxsize=256)
def _kind_of_format(arrow_format: str) -> str:
    return NUMBER if arrow_format in NUMBER_FORMATS else time_kind(arrow_format) or ""


def _is_numeric_text(schema: "CSchema") -> bool:
    """Return whether ADBC's driver sends texts for the type numeric of PostgreSQL.

    The type allows 131,072 digits, for which Arrow has no type.
    """
    metadata = dict(schema.metadata or {})
    if metadata.get(b"ADBC:postgresql:typname") == b"numeric":
        return True
    opaque = metadata.get(b"ARROW:extension:name") == b"arrow.opaque"
    return opaque and b'"numeric"' in metadata.get(b"ARROW:extension:metadata", b"")


def _index_names(schema: "CSchema") -> set[str]:
    """Return the names of the columns that pandas metadata marks as the index."""
    metadata = dict(schema.metadata or {})
    try:
        stored = json.loads(metadata.get(b"pandas", b"{}"))
        return {name for name in stored.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return set()  # other metadata under the same key
