"""Convert columns of record batches to the types that a file has."""

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import UnsupportedTypeError, first_line

if TYPE_CHECKING:
    import pyarrow


def with_plain_types(batch: "pyarrow.RecordBatch") -> "pyarrow.RecordBatch":
    """Return a batch with the columns that PyArrow cannot write to CSV in a type that it can."""
    columns = [_plain(column) for column in batch.columns]
    if all(new is old for new, old in zip(columns, batch.columns, strict=True)):
        return batch
    import pyarrow

    return pyarrow.RecordBatch.from_arrays(columns, batch.schema.names)


def _plain(column: Any) -> Any:
    """Return text and bytes without views, and the values of extension types and of runs."""
    import pyarrow
    import pyarrow.compute

    kind = column.type
    if isinstance(kind, pyarrow.BaseExtensionType):
        return _plain(_stored(column, getattr(kind, "extension_name", "")))
    if pyarrow.types.is_run_end_encoded(kind):
        return _plain(pyarrow.compute.run_end_decode(column))
    if pyarrow.types.is_string_view(kind):
        return column.cast(pyarrow.large_string())
    if pyarrow.types.is_binary_view(kind):
        return column.cast(pyarrow.large_binary())
    return column


def _stored(column: Any, extension: str) -> Any:
    """Return the values of a column of an extension type."""
    import pyarrow

    if extension == "arrow.bool8":
        return column.storage.cast(pyarrow.bool_())
    if extension == "arrow.uuid":
        values = column.storage.to_pylist()
        texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in values]
        return pyarrow.array(texts, pyarrow.string())
    return column.storage


def as_field(column: Any, field: "pyarrow.Field", *, may_round: bool) -> Any:
    """Return a column in the type of a field, which is that of earlier rows.

    Parameters
    ----------
    may_round
        Whether floats may be rounded to a narrower type.

    Raises
    ------
    UnsupportedTypeError
        If the type cannot represent a value.
    """
    import pyarrow

    try:
        result = column.cast(field.type)
    except (pyarrow.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise _type_error(column, field, first_line(error)) from None
    if not may_round and _is_rounded(column, result):
        raise _type_error(column, field, "it would round or overflow floats")
    if _zones_differ(column.type, field.type):
        raise _type_error(column, field, "only one of them has a time zone")
    return result


def _zones_differ(first: "pyarrow.DataType", second: "pyarrow.DataType") -> bool:
    """Return whether one of two types is that of times in a zone, and the other one without."""
    import pyarrow

    kinds = first, second
    return all(map(pyarrow.types.is_timestamp, kinds)) and len({x.tz is None for x in kinds}) == 2


def _is_rounded(column: Any, result: Any) -> bool:
    """Return whether a conversion to narrower floats changed a value."""
    import pyarrow

    kinds = column.type, result.type
    if not all(map(pyarrow.types.is_floating, kinds)) or kinds[0].bit_width <= kinds[1].bit_width:
        return False
    before, after = (x.to_numpy(zero_copy_only=False) for x in (column, result))
    return not np.array_equal(before, after, equal_nan=True)


def _type_error(column: Any, field: "pyarrow.Field", why: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "All files of a source must have the same types. Received: column "
        f"{field.name!r} as {field.type}, and then as {column.type}, which cannot be converted: "
        f"{why}. Convert the files to one type, or apply them to separate outputs."
    )
