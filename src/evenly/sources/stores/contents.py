"""Choose the variables of a store to fit: one array, or several as columns."""

from collections.abc import Mapping

import numpy as np

from evenly.errors import ColumnError, DataError, EvenlyError, SourceError, format_names, suggest
from evenly.sources.fields import Field
from evenly.sources.options import ReadOptions
from evenly.sources.selection import ColumnSelection
from evenly.sources.source import Source
from evenly.sources.stores.array_source import ChunkedSource
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.stores.variables import Store, Variable
from evenly.sources.tables import Table


def open_store(store: Store, options: ReadOptions, *, nbytes: int | None = None) -> Table | Source:
    """Open variables of a store as a source or a `Table`.

    They are the first of these that applies:

    - the variable with the path ``select``, or a variable in the group with that path;
    - the only variable to fit by default: numeric, and neither a coordinate nor a time;
    - the variables in ``columns``, each as a column with one row per value;
    - all variables to fit by default, as columns, if they are one-dimensional and have the same
      length.

    Only the variables that are read are decoded and checked.

    Raises
    ------
    DataError
        If there are several variables, and none of these rules applies.
    ColumnError
        If there is no variable with a selected name.
    SourceError
        If there are no variables at all.
    """
    variables, label = _select(store, options)
    fields = {name: variable.field(name) for name, variable in variables.items()}
    named = [name for name in _names_in(options.selection) if name in variables]
    numeric = [name for name in variables if _is_fitted(variables[name], fields[name])]
    candidates = list(variables) if len(variables) == 1 else numeric
    if len(candidates) == 1 and not named:
        name = candidates[0]
        left_out = {other: fields[other].reason for other in variables if other != name}
        path = f"{label}/{name}" if name else label
        return _open_one(variables[name], options, path, nbytes, left_out)
    if options.selection.columns is None and numeric:
        _check_columns({n: variables[n] for n in numeric if n not in named}, label)
    for name in _read_names(options.selection):
        if name in variables:
            _ = variables[name].decoded  # raises its own error
    return ArraysTable(variables, options, label=label, nbytes=nbytes)


def _open_one(
    variable: Variable,
    options: ReadOptions,
    label: str,
    nbytes: int | None,
    left_out: dict[str, str],
) -> Table | Source:
    array = variable.decoded
    if array.dtype.names is not None:
        return RecordsTable(array, label=label, nbytes=nbytes)
    return ChunkedSource(
        array, options, label=label, nbytes=nbytes, dims=variable.dims, left_out=left_out
    )


def _select(store: Store, options: ReadOptions) -> tuple[Mapping[str, Variable], str]:
    """Return the variables that `select` and `columns` choose from, and where they are.

    If all columns are named, no other variables are opened.
    """
    select = options.select
    path = "/".join(map(str, select if isinstance(select, tuple | list) else (select,)))
    path = "" if select is None else path.strip("/")
    label = f"{store.label}/{path}" if path else store.label
    named = _find_named(store, path, options.selection)
    if named is not None:
        return named, label
    variables = store.find(path)
    if variables:
        return variables, label
    if not path:
        raise SourceError(f"A store must contain an array. Received: {label}, which contains none.")
    known = store.find("")
    raise ColumnError(
        f"select= must name an array in the store. Received: select={select!r}; {store.label} has "
        f"{format_names(known)}.{suggest(path, known)}"
    )


def _find_named(store: Store, path: str, selection: ColumnSelection) -> dict[str, Variable] | None:
    """Return the variables that are named; None if others may be read too, or one is missing."""
    names = _read_names(selection)
    if (
        not selection.columns
        or selection.exclude
        or not all(isinstance(n, str) for n in selection.columns)
    ):
        return None
    found = {name: store.find(f"{path}/{name}".lstrip("/")) for name in names}
    if not all(list(variables) == [""] for variables in found.values()):
        return None
    return {name: variables[""] for name, variables in found.items()}


def _names_in(selection: ColumnSelection) -> list[str]:
    """Return all variables in a selection; positions can be those of the columns of an array."""
    return [*_read_names(selection), *(name for name in selection.exclude if isinstance(name, str))]


def _read_names(selection: ColumnSelection) -> list[str]:
    """Return the variables that a selection reads."""
    names = (*(selection.columns or ()), selection.weights, *selection.by)
    return [name for name in names if isinstance(name, str)]


def _is_fitted(variable: Variable, column: Field) -> bool:
    """Return whether a variable is fitted by default."""
    if column.is_numeric:
        return True
    if not variable.shape or isinstance(variable.array, EvenlyError):
        return False
    return variable.array.dtype.names is not None


def _check_columns(variables: Mapping[str, Variable], label: str) -> None:
    """Check that variables are one-dimensional and have the same length."""
    shapes = {variable.shape for variable in variables.values()}
    if not shapes or (len(shapes) == 1 and len(shapes.pop()) == 1):
        return
    received = [f"{name} {_describe(variable)}" for name, variable in variables.items()]
    raise DataError(
        "A store with several arrays needs select= to choose one, or columns= to name some of "
        f"equal shape. Received: {label} with {format_names(received)}. "
        f"Pass select={next(iter(variables))!r} or "
        f"columns=[{next(iter(variables))!r}], for example."
    )


def _describe(variable: Variable) -> str:
    dtype = np.dtype(variable.decoded.dtype).name
    return f"{'×'.join(map(str, variable.shape))} {dtype}"
