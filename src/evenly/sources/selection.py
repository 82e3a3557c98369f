"""Resolve the columns to fit: the selection of the user against the columns of the data."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from evenly.errors import ColumnError, DataError, UnsupportedTypeError, format_names, suggest
from evenly.sources.fields import NULL, NUMBER, Field, is_selectable, reason_of

_FITTED = (NUMBER, NULL)
"""Kinds of the columns that are fitted without being named."""
NameOrIndex = TypeVar("NameOrIndex", str, int)


@dataclass(slots=True, frozen=True)
class ResolvedColumns:
    """The columns to read: values, weights and keys; and the omitted ones with the reason."""

    names: tuple[str, ...]
    weights: str | None
    left_out: dict[str, str]
    by: tuple[str, ...] = ()


class RowColumns(NamedTuple):
    """The names of the columns that describe rows.

    Attributes
    ----------
    weights
        The column of weights; None if there is none.
    by
        The columns of group keys.
    """

    weights: str | None = None
    by: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to read."""
        return (*self.numbers, *self.by)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The column of weights, if any."""
        return () if self.weights is None else (self.weights,)


@dataclass(slots=True, frozen=True)
class ColumnSelection:
    """The columns that the user selected.

    Attributes
    ----------
    columns
        Names, or positions in an array without names; None selects every numeric column.
    exclude
        Names, or positions in an array without names.
    weights
        The name of the column of weights, if any.
    by
        The names of the columns of group keys.
    """

    columns: tuple[str | int, ...] | None = None
    exclude: tuple[str | int, ...] = field(default=())
    weights: str | None = None
    by: tuple[str | int, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether all columns are selected."""
        return self.columns is None and not self.exclude and self.weights is None and not self.by


def resolve_columns(
    selection: ColumnSelection, fields: Sequence[Field], label: str
) -> ResolvedColumns:
    """Return the columns to read from a table with named columns.

    Raises
    ------
    ColumnError
        For an unknown name or position, or one that is not unique.
    UnsupportedTypeError
        If a column that was named is not numeric.
    DataError
        If no numeric column is left.
    """
    excluded = set(_resolve_names(selection.exclude, fields, label))
    weights, by = row_columns = resolve_row_columns(selection, fields, label)
    excluded |= {*row_columns.names}
    if selection.columns is None:
        others = [column for column in fields if column.name not in excluded]
        chosen = [name for name, kind in others if kind in _FITTED]
        left_out = {name: reason_of(kind) for name, kind in others if kind not in _FITTED}
    else:
        named = _resolve_names(selection.columns, fields, label)
        chosen = [name for name in named if name not in excluded]
        left_out = {name: "group key" for name in named if name in by}
        left_out |= {name: "weights" for name in named if name == weights}
    _check_unique([*chosen, *row_columns.names], fields, label)
    _check_selectable(chosen, fields, label)
    if not chosen:
        raise _no_columns_left_error(fields, label)
    return ResolvedColumns(tuple(chosen), weights, left_out, by)


def resolve_row_columns(
    selection: ColumnSelection, fields: Sequence[Field], label: str
) -> RowColumns:
    """Return the columns of weights and keys of a table.

    Raises
    ------
    ColumnError
        For an unknown name, or one that is not unique.
    UnsupportedTypeError
        If the column of weights is not numeric.
    """
    if selection.weights is None and not selection.by:
        return RowColumns(None, ())
    names = [column.name for column in fields]
    weights = None if selection.weights is None else _by_name(selection.weights, names, label)
    result = RowColumns(weights, tuple(_by_key_name(name, names, label) for name in selection.by))
    _check_unique(result.names, fields, label)
    _check_selectable(result.numbers, fields, label)
    return result


def _by_key_name(name: str | int, names: list[str], label: str) -> str:
    if not isinstance(name, str) and str(name) not in names:
        raise ColumnError(
            "by= takes the names of a table's columns; a number is for parts of batches (x, y). "
            f"Received: by={name!r}, for {label}, which has {format_names(names)}."
        )
    return _by_name(name, names, label)


def resolve_positions(selection: ColumnSelection, number: int, label: str) -> list[int] | None:
    """Return the positions of the columns to read from an array; None for all columns.

    Raises
    ------
    ColumnError
        For a name, because the columns of arrays have none, or a position out of range.
    """
    _check_no_names(selection, number, label)
    if selection.everything:
        return None
    positions = list(range(number))
    excluded = {_by_position(name, positions, label) for name in selection.exclude}
    wanted = positions
    if selection.columns is not None:
        wanted = [_by_position(p, positions, label) for p in selection.columns]
    chosen = [p for p in wanted if p not in excluded]
    if len(set(chosen)) != len(chosen):
        raise ColumnError(
            f"Each column can be named once. Received: columns={format_names(wanted)}."
        )
    if not chosen:
        raise DataError(f"At least one column must be left. Received: {label}, all excluded.")
    return chosen


def _check_no_names(selection: ColumnSelection, number: int, label: str) -> None:
    if selection.by:
        raise ColumnError(
            "An array's columns have no names, so by= must have one key per row. "
            f"Received: by={format_names(selection.by)}, for {label}. "
            "Pass by=np.asarray(keys), or a data frame."
        )
    weights = () if selection.weights is None else (selection.weights,)
    for name in (*(selection.columns or ()), *selection.exclude, *weights):
        if isinstance(name, str):
            raise ColumnError(
                f"An array's columns have no names, only positions from 0 to {number - 1}. "
                f"Received: {name!r}, for {label}. Pass a position, or a data frame."
            )


def resolve_labels(
    selection: ColumnSelection, labels: tuple[str, ...] | None, number: int, label: str
) -> tuple[list[int] | None, tuple[str, ...] | None]:
    """Return the positions of the columns of an array to read, None for all; and their names.

    Parameters
    ----------
    labels
        The names of the columns; None for columns without names.
    number
        The number of columns.
    """
    if labels is None or selection.everything or selection.weights or selection.by:
        return resolve_positions(selection, number, label), labels
    fields = [Field(name, NUMBER) for name in labels]
    names = resolve_columns(selection, fields, label).names
    return [labels.index(name) for name in names], names


def _resolve_names(wanted: Sequence[str | int], fields: Sequence[Field], label: str) -> list[str]:
    """Return the names of columns; a position is that of a column in the file."""
    if not wanted:
        return []
    names = [column.name for column in fields]
    in_file = [name for name, kind in fields if reason_of(kind) != "partition"]
    return [_by_name(name, names if isinstance(name, str) else in_file, label) for name in wanted]


def _by_name(name: str | int, names: list[str], label: str) -> str:
    """Return the name of a column; an integer is a label, such as those of pandas.

    The column of a series without a name is also at position 0.
    """
    if not isinstance(name, str) and names == [""]:
        return _by_position(name, names, label)
    if not isinstance(name, str) and str(name) not in names:
        raise ColumnError(
            "Columns with names are chosen by name, and only those of arrays by position. "
            f"Received: {name}; {label} has {format_names(names)}. Pass names."
        )
    name = str(name)
    if name in names:
        return name
    padded = [other for other in names if other.strip() == name]  # the header "a, b" of a CSV file
    if len(padded) == 1:
        return padded[0]
    raise ColumnError(
        f"There must be a column of that name. Received: {name!r}; {label} has "
        f"{format_names(names)}.{suggest(name, names)}"
    )


def _by_position(position: object, known: Sequence[NameOrIndex], label: str) -> NameOrIndex:
    index: int = position.__index__()  # type: ignore[attr-defined]
    if -len(known) <= index < len(known):
        return known[index]
    raise ColumnError(
        f"A column's position must be from 0 to {len(known) - 1}. Received: {index}, for {label}."
    )


def _check_selectable(names: Sequence[str], fields: Sequence[Field], label: str) -> None:
    present = {column.kind for column in fields}  # a wide table has few kinds
    refused = {kind for kind in present if not is_selectable(kind)}
    if not refused:
        return
    kinds = dict(fields)
    for name in names:
        if kinds[name] in refused:
            raise not_numeric_error(Field(name, kinds[name]), label)


def _check_unique(chosen: Sequence[str], fields: Sequence[Field], label: str) -> None:
    names = [column.name for column in fields]
    if len(set(names)) == len(names) and len(set(chosen)) == len(chosen):
        return
    available, wanted = Counter(names), Counter(chosen)
    for name in chosen:
        if available[name] > 1:
            raise ColumnError(
                f"Every column needs a name of its own. Received: {name!r} "
                f"{available[name]} times in {label}. Rename one, or pass exclude=[{name!r}]."
            )
        if wanted[name] > 1:
            raise ColumnError(f"Each column can be named once. Received twice: {name!r}.")


def not_numeric_error(column: Field, label: str) -> UnsupportedTypeError:
    """Return the error for a named column that is not numeric."""
    way_out = "Convert it first, or leave it out of columns=."
    if column.kind in ("nested", "object"):
        way_out = f"If it holds lists of equal length, pass select={column.name!r}. {way_out}"
    return UnsupportedTypeError(
        "Only columns of numbers, booleans or times can be fitted. "
        f"Received: column {column.name!r} of {label}, which is {column.kind}. {way_out}"
    )


def _no_columns_left_error(fields: Sequence[Field], label: str) -> DataError:
    if not fields:
        return DataError(f"At least one column must be numeric. Received: no column in {label}.")
    texts = [f"{column.name!r} ({column.reason})" for column in fields[:8]]
    more = f" and {len(fields) - 8} more" if len(fields) > 8 else ""
    return DataError(
        f"At least one numeric column must be left to fit. Received: {label} with "
        f"{', '.join(texts)}{more}. Times are fitted when named: columns=[...]."
    )
