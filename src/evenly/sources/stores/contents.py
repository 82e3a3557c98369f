"""What a store holds, and which of it is fitted: one array, or several as columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.arrays import field_of
from evenly.sources.options import ReadOptions
from evenly.sources.selection import ColumnSelection
from evenly.sources.stores.array_source import ChunkedSource, StoredArray
from evenly.sources.stores.tables import ArraysTable, RecordsTable


def open_arrays(
    arrays: Mapping[str, StoredArray],
    request: ReadOptions,
    *,
    label: str,
    nbytes: int | None = None,
) -> Any:
    """Return the arrays of a store, by their paths inside, as a source or a `Table`.

    - the array that ``select`` leads to; or all of the group that it leads to, as here;
    - the only one that holds numbers;
    - those that ``columns`` names: each is a column, and each of its values a row;
    - all of them, as columns, when each has one dimension and all one length.

    Raises
    ------
    DataError
        When there are several, and none of this says which.
    ColumnError
        When there is none of that name.
    SourceError
        When there is no array at all.
    """
    if not arrays:
        raise SourceError(f"A store must hold an array. Received: {label}, which holds none.")
    arrays, label = _selected(arrays, request.select, label)
    numeric = {name: array for name, array in arrays.items() if _has_numbers(array)}
    one = arrays if len(arrays) == 1 else numeric
    if len(one) == 1 and one.keys().isdisjoint(_names(request.choice)):
        ((name, array),) = one.items()
        return _open_one(array, request, f"{label}/{name}" if name else label, nbytes)
    if request.choice.columns is None and numeric:
        _check_columns({n: a for n, a in numeric.items() if n not in _names(request.choice)}, label)
    return ArraysTable(arrays, label=label, nbytes=nbytes, in_order=request.in_order)


def _open_one(array: StoredArray, request: ReadOptions, label: str, nbytes: int | None) -> Any:
    if array.dtype.names is not None:
        return RecordsTable(array, label=label, nbytes=nbytes)
    return ChunkedSource(array, request, label=label, nbytes=nbytes)


def _selected(
    arrays: Mapping[str, StoredArray], select: Any, label: str
) -> tuple[Mapping[str, StoredArray], str]:
    """Return the one array that was selected, under no name, or those of a group."""
    path = "/".join(map(str, select if isinstance(select, tuple | list) else (select,)))
    path = "" if select is None else path.strip("/")
    if not path:
        return arrays, label
    if path in arrays:
        return {"": arrays[path]}, f"{label}/{path}"
    inside = {
        name.removeprefix(f"{path}/"): array
        for name, array in arrays.items()
        if name.startswith(f"{path}/")
    }
    if inside:
        return inside, f"{label}/{path}"
    raise ColumnError(
        f"There must be an array of that name. Received: select={select!r}; {label} has "
        f"{format_names(arrays)}.{suggest(path, arrays)}"
    )


def _names(choice: ColumnSelection) -> list[str]:
    """Return the columns that were named; positions are those of an array as well."""
    asked = (*(choice.columns or ()), *choice.exclude, choice.weights)
    return [name for name in asked if isinstance(name, str)]


def _has_numbers(array: StoredArray) -> bool:
    return array.dtype.names is not None or field_of("", array.dtype).is_numeric


def _check_columns(arrays: Mapping[str, StoredArray], label: str) -> None:
    """Check that arrays are plainly columns: of one dimension, of one length."""
    shapes = {tuple(array.shape) for array in arrays.values()}
    if not shapes or (len(shapes) == 1 and len(shapes.pop()) == 1):
        return
    found = [f"{name} {_described(array)}" for name, array in arrays.items()]
    raise DataError(
        "Of several arrays one must be selected, or some of equal shape be named as columns. "
        f"Received: {label} with {format_names(found)}. Pass select={next(iter(arrays))!r} or "
        f"columns=[{next(iter(arrays))!r}], for example."
    )


def _described(array: StoredArray) -> str:
    return f"{'×'.join(map(str, array.shape))} {np.dtype(array.dtype).name}"
