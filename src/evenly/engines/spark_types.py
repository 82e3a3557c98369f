"""What kind of column is it? Spark's types, as evenly's fields."""

from typing import Any

from evenly.engines.arrow_vectors import VECTOR
from evenly.sources.selection import NULL, NUMBER, Field

_NUMBERS = ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double")
_VECTORS = ("vector", *(f"array<{name}>" for name in _NUMBERS))


def types_of(x: Any) -> list[tuple[str, str]]:
    """Return each column of a Spark DataFrame: its name, and its type as Spark writes it."""
    return [(field.name, field.dataType.simpleString()) for field in x.schema]


def fields_of(types: list[tuple[str, str]]) -> list[Field]:
    """Return the columns as fields."""
    return [Field(name, column_kind(kind)) for name, kind in types]


def column_kind(kind: str) -> str:
    """Return the kind of a type. Times are what Arrow makes of them: 64-bit microseconds.

    >>> column_kind("decimal(10,2)"), column_kind("timestamp_ntz"), column_kind("vector")
    ('number', 'timestamp[us]', 'vector')
    >>> column_kind("struct<a:int>")
    'nested'
    """
    first = kind.partition("(")[0].partition("<")[0].partition(" ")[0]
    if kind in _NUMBERS or first == "decimal":
        return NUMBER
    if kind in _VECTORS:
        return VECTOR
    if first == "interval" and not any(unit in kind for unit in ("year", "month")):
        return "duration[us]" if " " in kind else kind
    return {
        "array": "nested",
        "char": "text",
        "date": "date[day]",
        "map": "nested",
        "string": "text",
        "struct": "nested",
        "timestamp": "timestamp[us]",
        "timestamp_ntz": "timestamp[us]",
        "varchar": "text",
        "void": NULL,
    }.get(first, first)


def quoted(name: str) -> str:
    """Return a column's name as SQL has it.

    >>> quoted("a`b.c")
    '`a``b.c`'
    """
    return "`" + name.replace("`", "``") + "`"
