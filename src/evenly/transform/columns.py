"""Scale the columns of tables, as the readers of sources return them, in one call of the core.

A table is normalized from the same columns that it is fitted from, so that both read the same
numbers.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from evenly import _core
from evenly.block import Column, ColumnViews
from evenly.errors import UnsupportedTypeError
from evenly.sources.column_views import view_columns
from evenly.sources.exact_rows import rounded_integers
from evenly.sources.native_arrays import to_native
from evenly.transform.dtypes import result_dtype
from evenly.transform.group_scaling import GroupScaling, RowIndices
from evenly.transform.kernel import clip_in_place, scale_into
from evenly.transform.scaling import Scaling
from evenly.typing import AnyArray


class TableScaler(Protocol):
    """Scale rows of some or all columns of the moments."""

    def scale(
        self,
        columns: ColumnViews,
        *,
        indices: Sequence[int] | None = None,
        first_row: int = 0,
    ) -> _core.FloatColumns:
        """Return columns scaled.

        Parameters
        ----------
        indices
            The columns of the moments that these are; None for all of them.
        first_row
            The index of the first row in the table.
        """

    def scale_matrix(self, values: AnyArray, indices: Sequence[int]) -> AnyArray:
        """Return all rows of columns of one dtype scaled, as an array of the same shape."""


class ColumnScaler:
    """Scale columns by the statistics of all rows."""

    def __init__(self, scaling: Scaling, *, dtype: object, missing: str) -> None:
        self._scaling = scaling
        self._dtype = dtype
        self._missing = missing

    def scale(
        self,
        columns: ColumnViews,
        *,
        indices: Sequence[int] | None = None,
        first_row: int = 0,
    ) -> _core.FloatColumns:
        """Return columns scaled; see `TableScaler`."""
        by = self._scaling if indices is None else self._scaling.take(indices)
        return _scale(columns, by, self._dtype, self._missing)

    def scale_matrix(self, values: AnyArray, indices: Sequence[int]) -> AnyArray:
        """Return columns of one dtype scaled; see `TableScaler`."""
        by = self._scaling.take(indices)
        if by.power is not None:
            return stack(self.scale(view_matrix(values), indices=indices), len(indices))
        given = to_native(values)
        result = np.empty_like(given, column_dtype(given.dtype.name, self._dtype), subok=False)
        scale_into(given, result, by, 1, self._missing)
        return result


class GroupColumnScaler:
    """Scale columns by the statistics of the group of each row.

    Parameters
    ----------
    rows
        For each row of the table, its row in the tables of the scaling.
    """

    def __init__(
        self, scaling: GroupScaling, rows: RowIndices, *, dtype: object, missing: str
    ) -> None:
        self._scaling = scaling
        self._rows = rows
        self._dtype = dtype
        self._missing = missing

    def scale(
        self,
        columns: ColumnViews,
        *,
        indices: Sequence[int] | None = None,
        first_row: int = 0,
    ) -> _core.FloatColumns:
        """Return columns scaled; see `TableScaler`."""
        by = self._scaling if indices is None else self._scaling.take(indices)
        rows = self._rows[first_row : first_row + columns.views.rows]
        if by.may_be_undefined:
            for column in range(by.num_features):
                by.check_defined(column, rows, columns.views.present(column))
        return _scale(columns, by, self._dtype, self._missing, rows)

    def scale_matrix(self, values: AnyArray, indices: Sequence[int]) -> AnyArray:
        """Return columns of one dtype scaled; see `TableScaler`."""
        return stack(self.scale(view_matrix(values), indices=indices), len(indices))


def _scale(
    columns: ColumnViews,
    by: Scaling | GroupScaling,
    dtype: object,
    missing: str,
    groups: RowIndices | None = None,
) -> _core.FloatColumns:
    """Return columns scaled; with ``groups`` by the table's row of each of their rows."""
    float64 = are_float64(columns.views, dtype)
    result = _call_core(columns.views, float64, by, missing, groups)
    for index, wide in columns.wide.items():
        part = by[index : index + 1]
        for rows, integers in rounded_integers(wide):
            views = view_matrix(integers[:, np.newaxis]).views
            own = None if groups is None else groups[rows]
            exact = _call_core(views, float64[index : index + 1], part, missing, own)
            result.values(index)[rows] = exact.values(0)
    if by.clip is not None:
        for index in range(by.num_features):
            clip_in_place(result.values(index), by.clip)
    return result


def _call_core(
    columns: _core.Columns,
    float64: Sequence[bool],
    by: Scaling | GroupScaling,
    missing: str,
    groups: RowIndices | None,
) -> _core.FloatColumns:
    return _core.scale_columns(
        columns,
        float64,
        np.ascontiguousarray(by.hi),
        np.ascontiguousarray(by.lo),
        np.ascontiguousarray(by.factor),
        None if by.power is None else np.ascontiguousarray(by.power),
        groups=None if groups is None else np.ascontiguousarray(groups),
        inverse=by.inverse,
        nan_to_zero=missing == "zero",
    )


def view_matrix(values: AnyArray) -> ColumnViews:
    """Return the columns of a two-dimensional array."""
    columns = _core.Columns(values.shape[1], len(values))
    columns.set_matrix(range(values.shape[1]), to_native(values))
    return ColumnViews(columns, {}, {})


def stack(columns: _core.FloatColumns, number: int) -> AnyArray:
    """Return columns of one dtype as a two-dimensional array."""
    return np.array([columns.values(index) for index in range(number)]).T


def are_float64(columns: _core.Columns, dtype: object) -> list[bool]:
    """Return for each column whether its result is float64, and not float32."""
    names = columns.dtypes()
    results = {name: column_dtype(name, dtype) == "float64" for name in set(names)}
    return [results[name] for name in names]


def column_dtype(given: str, dtype: object) -> str:
    """Return the name of the dtype of the result of a column, and of a ``dtype=`` option.

    Raises
    ------
    UnsupportedTypeError
        If it is not float32 or float64, the types that all libraries of frames have.
    """
    result = result_dtype("float32" if given == "float16" else given, dtype)
    if result not in ("float32", "float64"):
        raise UnsupportedTypeError(
            f"A frame's result is float32 or float64. Received: dtype={dtype!r}."
        )
    return result


def scale_list(scaler: TableScaler, index: int, column: Column) -> AnyArray:
    """Return the values of one column scaled, with NaN in missing rows."""
    columns = view_columns([column], len(column))
    return scaler.scale(columns, indices=[index]).values(0)


def scale_batches(
    scaler: TableScaler,
    batches: Iterable[ColumnViews],
    indices: Sequence[int] | None = None,
) -> list[_core.FloatColumns]:
    """Return consecutive rows of columns scaled; see `TableScaler`."""
    results, first_row = [], 0
    for columns in batches:
        results.append(scaler.scale(columns, indices=indices, first_row=first_row))
        first_row += columns.views.rows
    return results
