"""Check that all tables of a fit have the same columns."""

from evenly.errors import ColumnError, UnsupportedTypeError, format_names
from evenly.sources.fields import NULL, Field
from evenly.sources.selection import ColumnSelection, ResolvedColumns, resolve_columns
from evenly.sources.tables import Table


def check_same_schema(
    first: Table, table: Table, selection: ColumnSelection, columns: ResolvedColumns
) -> None:
    """Check that a table has the same columns as the first one, in any order.

    Raises
    ------
    ColumnError
        If columns are missing, or unknown and no columns were selected by name.
    UnsupportedTypeError
        If a column has another type, such as text, or times in another unit.
    """
    ours = {field.name: field for field in first.fields}
    theirs = {field.name: field for field in table.fields}
    by_name = selection.columns is not None
    _check_names(first, table, columns, by_name)
    for name in columns.names:
        if not _same_type(ours[name], theirs[name]):
            raise UnsupportedTypeError(
                "A column must be of one kind in all parts of a fit. Received: column "
                f"{name!r}, which is {ours[name].kind} in {first.label} and "
                f"{theirs[name].kind} in {table.label}. Convert it, or pass exclude=[{name!r}]."
            )
    for name in columns.by:
        if not _same_keys(ours[name], theirs[name]):
            raise UnsupportedTypeError(
                "The keys of groups must be of one kind in all parts of a fit. Received: column "
                f"{name!r}, which is {ours[name].kind} in {first.label} and {theirs[name].kind} in "
                f"{table.label}. Convert it in one of them."
            )
    resolve_columns(
        ColumnSelection(columns.names, (), columns.weights, columns.by), table.fields, table.label
    )


def _check_names(first: Table, table: Table, columns: ResolvedColumns, by_name: bool) -> None:
    """Check that no column is missing, and none is unknown unless columns were selected by name."""
    ours = {field.name: field for field in first.fields}
    theirs = {field.name: field for field in table.fields}
    read = {*columns.names, *filter(None, [columns.weights]), *columns.by}
    both = {**ours, **theirs}  # a partition belongs to the folder, and not to the file
    checked = {name for name, field in both.items() if not by_name and field.reason != "partition"}
    missing = [name for name in ours if name not in theirs and name in checked | read]
    unknown = [name for name in theirs if name not in ours and name in checked]
    if missing or unknown:
        raise ColumnError(
            f"All parts of a fit must have the same columns, as {first.label} has them. "
            f"Received: {table.label}, missing: {format_names(missing) or 'none'}; "
            f"unknown: {format_names(unknown) or 'none'}. Choose common ones with columns=[...]."
        )


def _same_keys(ours: Field, theirs: Field) -> bool:
    """Return whether the keys of two columns can be equal; the values of a category decide."""
    kinds = {ours.reason, theirs.reason} - {NULL, "category", "index", "object"}
    return len(kinds) <= 1


def _same_type(ours: Field, theirs: Field) -> bool:
    """Return whether the values of two columns are of the same type."""
    if NULL in (ours.kind, theirs.kind):
        return ours.is_selectable and theirs.is_selectable
    return ours.kind == theirs.kind
