"""Scale single columns of tables, as the readers of sources return them.

A table is normalized from the same columns that it is fitted from, so both agree on what is a
number, and on its value.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Column, dtype_name, mask_to_validity, validity_to_mask
from evenly.errors import UnsupportedTypeError
from evenly.sources.native_arrays import to_native
from evenly.transform.arrays import scale_into, scale_rows
from evenly.transform.dtypes import result_dtype
from evenly.transform.group_scaling import GroupScaling, RowIndices
from evenly.transform.scaling import Scaling

ScaleColumn = Callable[[int, Column, int], Column]
"""Take the index of a column of the moments, some rows of it, and the index of the first row."""


def column_dtype(values: npt.NDArray[Any], dtype: Any) -> str:
    """Return the name of the dtype of the result of a column, and of a ``dtype=`` option.

    Raises
    ------
    UnsupportedTypeError
        If it is not float32 or float64, the types that all libraries of frames have.
    """
    given = dtype_name(values.dtype)
    result = result_dtype("float32" if given == "float16" else given, dtype)
    if result not in ("float32", "float64"):
        raise UnsupportedTypeError(
            f"A frame's result is float32 or float64. Received: dtype={dtype!r}."
        )
    return result


def column_scaler(scaling: Scaling, *, dtype: Any, missing: str) -> ScaleColumn:
    """Return the function that scales columns by the statistics of all rows."""

    def scale(index: int, column: Column, first_row: int) -> Column:
        values = np.ascontiguousarray(to_native(column.values))
        result = np.empty(len(values), column_dtype(values, dtype))
        scale_into(values, result, scaling[index : index + 1], 0, missing)
        return _with_validity(result, column, missing)

    return scale


def group_column_scaler(
    scaling: GroupScaling, rows: RowIndices, *, dtype: Any, missing: str
) -> ScaleColumn:
    """Return the function that scales columns by the group of each row.

    Parameters
    ----------
    rows
        For each row of the frame, its row in the tables of the scaling.
    """

    def scale(index: int, column: Column, first_row: int) -> Column:
        values = to_native(column.values)
        own = rows[first_row : first_row + len(values)]
        valid = None if column.validity is None else validity_to_mask(column)
        wide = scale_rows(values, scaling, index, own, missing, valid)
        with np.errstate(over="ignore"):
            result = wide.astype(column_dtype(values, dtype))
        return _with_validity(result, column, missing)

    return scale


def _with_validity(result: npt.NDArray[Any], column: Column, missing: str) -> Column:
    """Return the scaled values of a column with its missing rows."""
    if column.validity is None:
        return Column(result)
    present = validity_to_mask(column)
    if missing == "zero":
        result[~present] = 0.0
        return Column(result)
    return Column(result, mask_to_validity(present))


def with_nan(column: Column) -> npt.NDArray[Any]:
    """Return the values of a scaled column, with NaN in missing rows."""
    if column.validity is not None:
        column.values[~validity_to_mask(column)] = np.nan
    return column.values
