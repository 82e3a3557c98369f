"""Scale a dict of columns."""

from collections.abc import Callable, Mapping
from typing import Any

from evenly.dispatch import is_mapping_of_columns, is_series
from evenly.errors import DataError, format_names
from evenly.sources.mappings import MappingTable
from evenly.transform.columns import TableScaler, scale_list
from evenly.transform.frames import find_columns
from evenly.transform.group_scaling import AnyScaling


def scale_mapping(
    x: Mapping[Any, Any],
    scaling: AnyScaling,
    *,
    scale_values: Callable[[Any, AnyScaling], Any],
    scaler: TableScaler,
) -> dict[Any, Any]:
    """Return a dict with the columns of the moments scaled, and all others unchanged.

    Parameters
    ----------
    scale_values
        Scale an array, a tensor or a series by the scaling of one column.
    scaler
        Scales a list, which becomes a NumPy array.

    Raises
    ------
    DataError
        If it is not a dict of equally long one-dimensional columns.
    """
    if not is_mapping_of_columns(x):
        raise DataError(
            "A dict to be scaled must have one-dimensional columns of the same length. "
            f"Received: a dict with {format_names(x)}. Pass one of its values, or a single row "
            "as lists of one number."
        )
    table = MappingTable(x, "the dict")
    keys = list(x)
    result = dict(x)
    for index, position in enumerate(find_columns(scaling, table.fields)):
        values = x[keys[position]]
        is_list = isinstance(values, list | tuple | range)
        if is_list or (_needs_conversion(values) and not is_series(values)):
            column = table.read(table.fields[position].name)
            result[keys[position]] = scale_list(scaler, index, column)
        else:
            result[keys[position]] = scale_values(values, scaling[index : index + 1])
    return result


def _needs_conversion(values: Any) -> bool:
    """Return whether an array has objects or times, which become numbers as a column."""
    return getattr(getattr(values, "dtype", None), "kind", "") in tuple("OmM")
