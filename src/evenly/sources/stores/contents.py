"""Choose the arrays of a store to fit: one array, or several as columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evenly.errors import ColumnError, DataError, SourceError, format_names, suggest
from evenly.sources.arrays import field_of
from evenly.sources.options import ReadOptions
from evenly.sources.selection import ColumnSelection
from evenly.sources.source import Source
from evenly.sources.stores.array_source import ChunkedSource, StoredArray
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import Table


def open_arrays(
    arrays: Mapping[str, StoredArray],
    options: ReadOptions,
    *,
    label: str,
    nbytes: int | None = None,
) -> Table | Source:
    """Open arrays of a store, given by their paths in it, as a source or a `Table`.

    The arrays are the first of these that applies:

    - the array with the path ``select``, or an array in the group with that path;
    - the only numeric array;
    - the arrays in ``columns``, each as a column with one row per value;
    - all arrays, as columns, if they are one-dimensional and have the same length.

    Raises
    ------
    DataError
        If there are several arrays, and none of these rules applies.
    ColumnError
        If there is no array with a selected name.
    SourceError
        If there are no arrays at all.
    """
    if not arrays:
        raise SourceError(f"A store must contain an array. Received: {label}, which contains none.")
    arrays, label = _select_arrays(arrays, options.select, label)
    numeric = {name: array for name, array in arrays.items() if _has_numbers(array)}
    candidates = arrays if len(arrays) == 1 else numeric
    if len(candidates) == 1 and candidates.keys().isdisjoint(_column_names(options.selection)):
        ((name, array),) = candidates.items()
        return _open_one(array, options, f"{label}/{name}" if name else label, nbytes)
    if options.selection.columns is None and numeric:
        named = _column_names(options.selection)
        _check_columns({n: a for n, a in numeric.items() if n not in named}, label)
    return ArraysTable(arrays, label=label, nbytes=nbytes, in_order=options.in_order)


def _open_one(
    array: StoredArray, options: ReadOptions, label: str, nbytes: int | None
) -> Table | Source:
    if array.dtype.names is not None:
        return RecordsTable(array, label=label, nbytes=nbytes)
    return ChunkedSource(array, options, label=label, nbytes=nbytes)


def _select_arrays(
    arrays: Mapping[str, StoredArray], select: Any, label: str
) -> tuple[Mapping[str, StoredArray], str]:
    """Return the selected array under an empty name, or the arrays of a selected group."""
    path = "/".join(map(str, select if isinstance(select, tuple | list) else (select,)))
    path = "" if select is None else path.strip("/")
    if not path:
        return arrays, label
    if path in arrays:
        return {"": arrays[path]}, f"{label}/{path}"
    members = {
        name.removeprefix(f"{path}/"): array
        for name, array in arrays.items()
        if name.startswith(f"{path}/")
    }
    if members:
        return members, f"{label}/{path}"
    raise ColumnError(
        f"select= must name an array in the store. Received: select={select!r}; {label} has "
        f"{format_names(arrays)}.{suggest(path, arrays)}"
    )


def _column_names(selection: ColumnSelection) -> list[str]:
    """Return the columns selected by name; positions can be those of an array."""
    columns = (*(selection.columns or ()), *selection.exclude, selection.weights)
    return [name for name in columns if isinstance(name, str)]


def _has_numbers(array: StoredArray) -> bool:
    return array.dtype.names is not None or field_of("", array.dtype).is_numeric


def _check_columns(arrays: Mapping[str, StoredArray], label: str) -> None:
    """Check that arrays are one-dimensional and have the same length."""
    shapes = {tuple(array.shape) for array in arrays.values()}
    if not shapes or (len(shapes) == 1 and len(shapes.pop()) == 1):
        return
    received = [f"{name} {_describe(array)}" for name, array in arrays.items()]
    raise DataError(
        "A store with several arrays needs select= to choose one, or columns= to name some of "
        f"equal shape. Received: {label} with {format_names(received)}. "
        f"Pass select={next(iter(arrays))!r} or "
        f"columns=[{next(iter(arrays))!r}], for example."
    )


def _describe(array: StoredArray) -> str:
    return f"{'×'.join(map(str, array.shape))} {np.dtype(array.dtype).name}"
