"""Conversion of Spark types to evenly's fields."""

from typing import Any

from evenly.engines.arrow_vectors import VECTOR
from evenly.sources.fields import NULL, NUMBER, Field

_NUMBERS = ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double")
_VECTORS = ("vector", *(f"array<{name}>" for name in _NUMBERS))


def types_of(x: Any) -> list[tuple[str, str]]:
    """Return the name and the type string of each column of a Spark DataFrame."""
    return [(field.name, field.dataType.simpleString()) for field in x.schema]


def fields_of(types: list[tuple[str, str]]) -> list[Field]:
    """Return the columns as fields."""
    return [Field(name, column_kind(spark_type)) for name, spark_type in types]


def column_kind(spark_type: str) -> str:
    """Return the `Field.kind` of a Spark type; times are 64-bit microseconds, as in Arrow.

    >>> column_kind("decimal(10,2)"), column_kind("timestamp_ntz"), column_kind("vector")
    ('number', 'timestamp[us]', 'vector')
    >>> column_kind("struct<a:int>")
    'nested'
    """
    base = spark_type.partition("(")[0].partition("<")[0].partition(" ")[0]
    if spark_type in _NUMBERS or base == "decimal":
        return NUMBER
    if spark_type in _VECTORS:
        return VECTOR
    if base == "interval" and not any(unit in spark_type for unit in ("year", "month")):
        return "duration[us]" if " " in spark_type else spark_type
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
    }.get(base, base)


def quote_column(name: str) -> str:
    """Return a column name quoted for SQL.

    >>> quote_column("a`b.c")
    '`a``b.c`'
    """
    return "`" + name.replace("`", "``") + "`"
