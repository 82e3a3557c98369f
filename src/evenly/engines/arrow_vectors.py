"""Conversion of Arrow lists and tensors to NumPy arrays and back."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evenly.errors import DataError, UnsupportedTypeError, format_names
from evenly.sources.arrow_input import schema_of, validate_arrow
from evenly.sources.arrow_schema import column_kind
from evenly.sources.fields import NUMBER, Field
from evenly.typing import AnyArray

if TYPE_CHECKING:
    import pyarrow


VECTOR = "vector"
"""The `Field.kind` of a column of vectors or tensors."""


def fields_of(schema: "pyarrow.Schema") -> list[Field]:
    """Return the fields of a PyArrow schema, marking columns of vectors or tensors.

    >>> fields_of(pa.schema({"label": pa.string(), "x": pa.list_(pa.float32())}))
    [Field(name='label', kind='text'), Field(name='x', kind='vector')]
    """
    return [Field(field.name, _column_kind(field.type)) for field in schema]


def _column_kind(dtype: "pyarrow.DataType") -> str:
    if is_tensor(dtype):
        return VECTOR
    if _is_list(dtype):
        item_kind = column_kind(schema_of(pa.field("", dtype.value_type)))
        return VECTOR if item_kind == NUMBER else "nested"
    return column_kind(schema_of(pa.field("", dtype)))


def is_tensor(dtype: object) -> bool:
    """Return whether a PyArrow type is a tensor type, of Arrow or of Ray."""
    return isinstance(dtype, pa.BaseExtensionType) and "tensor" in dtype.extension_name


def _is_list(dtype: object) -> bool:
    types = pa.types
    return any(
        is_type(dtype) for is_type in (types.is_list, types.is_large_list, types.is_fixed_size_list)
    )


def vectors_to_array(column: "pyarrow.Array | pyarrow.ChunkedArray", label: str) -> AnyArray:
    """Return lists or tensors as one array whose first axis is the rows.

    Null rows and null items become NaN. Tensors of different shapes are returned as an object
    array.

    Raises
    ------
    DataError
        When vectors have different lengths, or all rows are null.
    UnsupportedTypeError
        When nulls require float64 and an integer does not fit it.

    Examples
    --------
    >>> vectors_to_array(pa.array([[1, 2], None, [3, None]]), "column 'x'")
    array([[ 1.,  2.],
           [nan, nan],
           [ 3., nan]])
    """
    validate_arrow(column, label, full=True)
    if column.null_count == len(column) > 0:
        raise DataError(
            "The length of vectors must be known in each batch. Received: "
            f"{len(column)} null rows and no others, in {label}. Drop null rows first."
        )
    if not _is_list(column.type):
        to_numpy = getattr(column, "to_numpy_ndarray", None)  # Arrow's tensors have it, Ray's not
        return to_numpy() if to_numpy else column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    present = column.drop_null()
    length = _common_length(present, label)
    array = _items_to_array(present.flatten(), label, nulls=column.null_count > 0)
    array = array.reshape(len(present), length)
    if not column.null_count:
        return array
    result = np.full((len(column), length), np.nan, array.dtype)
    result[_to_mask(column.is_valid())] = array
    return result


def _common_length(lists: object, label: str) -> int:
    lengths = pc.list_value_length(lists).unique().to_pylist()
    if len(lengths) > 1:
        raise DataError(
            "Every vector of a column must have the same length. Received: lengths "
            f"{format_names(sorted(lengths))}, in {label}. Pad them, or fit each length separately."
        )
    return int(lengths[0]) if lengths else 0


def _items_to_array(values: "pyarrow.Array", label: str, *, nulls: bool) -> AnyArray:
    if not values.null_count and not nulls:
        return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    dtype = values.type if pa.types.is_floating(values.type) else pa.float64()
    try:
        return values.cast(dtype).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise UnsupportedTypeError(
            "Integers in vectors with nulls must fit float64. "
            f"Received: {error}, in {label}. Fill the nulls, or split the vectors into columns."
        ) from None


def lists_like(column: "pyarrow.Array | pyarrow.ChunkedArray", array: AnyArray) -> "pyarrow.Array":
    """Return a 2-D array as Arrow lists, with the nulls of ``column``."""
    rows, length = array.shape
    nulls = _to_mask(column.flatten().is_null()) if column.flatten().null_count else None
    if nulls is not None:
        mask = np.zeros(array.shape, np.bool_)
        mask[_to_mask(column.is_valid())] = nulls.reshape(-1, length)
        nulls = mask.reshape(-1)
    values = pa.array(array.reshape(-1), mask=nulls)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * length)
    return pa.ListArray.from_arrays(offsets, values, mask=column.is_null())


def _to_mask(column: "pyarrow.Array | pyarrow.ChunkedArray") -> npt.NDArray[np.bool_]:
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
