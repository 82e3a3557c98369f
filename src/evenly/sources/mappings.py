"""Read a dict of columns: equally long arrays, series or lists by name."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evenly.block import Column, GroupKeys
from evenly.dispatch import is_extension_array, is_series
from evenly.sources.arrays import field_of
from evenly.sources.exact_rows import concat_columns
from evenly.sources.fields import Field
from evenly.sources.fill_values import column_of
from evenly.sources.frames import open_table
from evenly.sources.group_by import factorize_array
from evenly.sources.native_arrays import as_array, rounded_integer, to_native, with_mask
from evenly.sources.object_columns import kind_of_objects, object_column
from evenly.sources.tables import ColumnBatch


class MappingTable:
    """A dict of columns as a table.

    Parameters
    ----------
    columns
        A mapping for which `is_mapping_of_columns` is true.
    label
        The name of the table, for messages.
    """

    def __init__(self, columns: Mapping[Any, Any], label: str) -> None:
        self.label = label
        self._columns = {str(name): _as_column(values, label) for name, values in columns.items()}
        self.fields = tuple(Field(name, _kind(x)) for name, x in self._columns.items())
        self.rows: int | None = len(next(iter(self._columns.values())))
        self.nbytes: int | None = None

    def column_batches(
        self, names: tuple[str, ...], keys: tuple[str, ...] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield all rows at once; they can be sliced without a copy."""
        columns: tuple[Column | GroupKeys, ...] = (
            *(self.read(name) for name in names),
            *(factorize_array(self._columns[name]) for name in keys),
        )
        yield ColumnBatch(columns, sum(column.nbytes for column in columns))

    def read(self, name: str) -> Column:
        """Return the values of one column."""
        values = self._columns[name]
        if is_series(values):
            batches = open_table(values, self.label).column_batches((_name_of(values),))
            return concat_columns([columns[0] for columns, _ in batches])
        if values.dtype == object:
            return object_column(values, f"column {name!r}")
        return column_of(_as_numpy(to_native(values)))


def _as_column(values: object, label: str) -> Any:
    """Return a series unchanged, and other values as an array; None makes an array of objects."""
    if is_series(values):
        return values
    if is_extension_array(values):
        return sys.modules["pandas"].Series(values)
    array: Any = with_mask(values) if isinstance(values, list | tuple | range) else values
    if rounded_integer(values, array) is not None:
        array = np.asarray(values, object)
    is_numeric = not isinstance(array, np.ndarray) or array.dtype.kind in "fiubV"
    is_masked = isinstance(array, np.ma.MaskedArray)
    return as_array(array, label) if is_numeric and not is_masked else array


def _as_numpy(array: object) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(array, torch.Tensor):
        return array
    return array.float().numpy() if array.dtype == torch.bfloat16 else array.numpy()


def _field_of(series: object) -> Field:
    """Return the column of the table of a series."""
    return open_table(series, "").fields[0]


def _kind(values: Any) -> str:
    if is_series(values):
        return _field_of(values).kind
    if values.dtype == object:
        return kind_of_objects(values)
    return field_of("", _as_numpy(values[:0]).dtype).kind


def _name_of(series: object) -> str:
    """Return the name that the table of a series has for its column."""
    return _field_of(series).name
