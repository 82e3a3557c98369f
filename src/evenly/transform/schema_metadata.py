"""Metadata of Arrow schemas that repeats the types of the columns, as of pandas and Spark.

Both convert a file to the types that they recorded when they wrote it, so integers that were
normalized could not be read, or would be cut off.
"""

import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}
"""The names of Arrow's types of floats in NumPy."""
_NULLABLE = {"float32": "Float32", "float64": "Float64"}
_NULLABLE_TYPES = ("boolean", "Int", "UInt", "Float")
"""How the names of nullable types of pandas begin."""


def with_new_types(schema: "pyarrow.Schema", names: Collection[str]) -> "pyarrow.Schema":
    """Return a schema with metadata that has the types of columns of floats.

    Parameters
    ----------
    schema
        A schema with the metadata that it had before the columns were scaled.
    names
        The columns that were scaled.
    """
    metadata = dict(schema.metadata or {})
    if metadata.keys().isdisjoint(_CHANGES):
        return schema
    types = {name: str(schema.field(name).type) for name in names}
    for key, change in _CHANGES.items():
        if key in metadata:
            metadata[key] = _changed(metadata[key], types, change)
    return schema.with_metadata(metadata)


def _changed(text: bytes, types: dict[str, str], change: Callable[..., None]) -> bytes:
    """Return JSON with changes; other contents, which pandas and Spark ignore, are kept."""
    try:
        document = json.loads(text)
        change(document, types)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text
    return json.dumps(document).encode()


def _change_pandas(document: Any, types: dict[str, str]) -> None:
    for column in document["columns"]:
        if column["field_name"] in types:
            arrow = types[column["field_name"]]
            column["pandas_type"] = _FLOATS[arrow]
            column["numpy_type"] = _pandas_dtype(str(column["numpy_type"]), arrow)
            column["metadata"] = None  # of categories and times


def _pandas_dtype(before: str, arrow: str) -> str:
    """Return the dtype of pandas for a column of floats that had a dtype before.

    >>> _pandas_dtype("Int64", "double"), _pandas_dtype("int8[pyarrow]", "float")
    ('Float64', 'float[pyarrow]')
    >>> _pandas_dtype("int64", "double")
    'float64'
    """
    if before.endswith("[pyarrow]"):
        return f"{arrow}[pyarrow]"
    dtype = _FLOATS[arrow]
    return _NULLABLE.get(dtype, dtype) if before.startswith(_NULLABLE_TYPES) else dtype


def _change_spark(document: Any, types: dict[str, str]) -> None:
    for field in document["fields"]:
        if field["name"] in types:
            field["type"] = types[field["name"]]
            field["metadata"] = {}


_CHANGES = {
    b"pandas": _change_pandas,
    b"org.apache.spark.sql.parquet.row.metadata": _change_spark,
}
"""The metadata that is changed, by its key."""
