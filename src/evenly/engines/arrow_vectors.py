"""Arrow's lists and tensors as NumPy arrays, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evenly.errors import DataError, UnsupportedTypeError, format_names
from evenly.sources.arrow import column_kind
from evenly.sources.arrow_input import checked, schema_of
from evenly.sources.selection import NUMBER, Field

VECTOR = "vector"
"""The kind of a column of these, among the fields of a table."""


def fields_of(schema: Any) -> list[Field]:
    """Return the fields of a PyArrow schema, with the columns of vectors and tensors marked.

    >>> fields_of(pa.schema({"label": pa.string(), "x": pa.list_(pa.float32())}))
    [Field(name='label', kind='text'), Field(name='x', kind='vector')]
    """
    return [Field(field.name, _kind(field.type)) for field in schema]


def _kind(dtype: Any) -> str:
    if is_tensor(dtype):
        return VECTOR
    if _is_list(dtype):
        inside = column_kind(schema_of(pa.field("", dtype.value_type)))
        return VECTOR if inside == NUMBER else "nested"
    return column_kind(schema_of(pa.field("", dtype)))


def is_tensor(dtype: Any) -> bool:
    """Whether a PyArrow type is one of tensors: Arrow's own, or Ray's."""
    return isinstance(dtype, pa.BaseExtensionType) and "tensor" in dtype.extension_name


def _is_list(dtype: Any) -> bool:
    kinds = pa.types
    return any(
        is_kind(dtype) for is_kind in (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    )


def as_array(column: Any, label: str) -> npt.NDArray[Any]:
    """Return lists, or tensors, as one array with an axis of rows.

    A row, or a number, that is null becomes NaN. Tensors of different shapes come as an array
    of objects.

    Raises
    ------
    DataError
        When vectors are of different lengths, or there is none.
    UnsupportedTypeError
        When integers are too large for the float64 that nulls make necessary.

    Examples
    --------
    >>> as_array(pa.array([[1, 2], None, [3, None]]), "column 'x'")
    array([[ 1.,  2.],
           [nan, nan],
           [ 3., nan]])
    """
    checked(column, label, full=True)
    if column.null_count == len(column) > 0:
        raise DataError(
            "The length of vectors must be known in each batch. Received: "
            f"{len(column)} null rows and no other, in {label}. Leave null rows out first."
        )
    if not _is_list(column.type):
        read = getattr(column, "to_numpy_ndarray", None)  # Arrow's own tensors; Ray's have none
        return read() if read else column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    present = column.drop_null()
    width = _width(present, label)
    array = _numbers(present.flatten(), label, nulls=column.null_count > 0)
    array = array.reshape(len(present), width)
    if not column.null_count:
        return array
    whole = np.full((len(column), width), np.nan, array.dtype)
    whole[_mask(column.is_valid())] = array
    return whole


def _width(lists: Any, label: str) -> int:
    widths = pc.list_value_length(lists).unique().to_pylist()
    if len(widths) > 1:
        raise DataError(
            "Every vector of a column must be of the same length. Received: lengths "
            f"{format_names(sorted(widths))}, in {label}. Pad them, or fit those of a length alone."
        )
    return int(widths[0]) if widths else 0


def _numbers(values: Any, label: str, *, nulls: bool) -> npt.NDArray[Any]:
    if not values.null_count and not nulls:
        return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    kind = values.type if pa.types.is_floating(values.type) else pa.float64()
    try:
        return values.cast(kind).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise UnsupportedTypeError(
            "Integers in vectors that have nulls must fit float64. "
            f"Received: {error}, in {label}. Fill the nulls, or make columns of the vectors."
        ) from None


def lists_like(column: Any, array: npt.NDArray[Any]) -> Any:
    """Return an array of two dimensions as lists, null where those of the column are null."""
    rows, width = array.shape
    nulls = _mask(column.flatten().is_null()) if column.flatten().null_count else None
    if nulls is not None:
        whole = np.zeros(array.shape, np.bool_)
        whole[_mask(column.is_valid())] = nulls.reshape(-1, width)
        nulls = whole.reshape(-1)
    values = pa.array(array.reshape(-1), mask=nulls)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, values, mask=column.is_null())


def _mask(column: Any) -> npt.NDArray[np.bool_]:
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
