"""Name one column of a table by ``select=``, whose values are arrays or images."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from evenly.errors import ColumnError, format_names, suggest
from evenly.sources.fields import Field
from evenly.sources.selection import RowColumns
from evenly.sources.tables import Table

_ARRAY_KINDS = ("nested", "object", "binary")


class ArrayBatch(NamedTuple):
    """Rows of a column of arrays or images, with the weights and keys of these rows.

    Attributes
    ----------
    values
        A PyArrow array, possibly chunked.
    columns
        The column of weights, if any, and the `GroupKeys` of each column of keys.
    """

    values: Any
    columns: tuple[Any, ...] = ()


@runtime_checkable
class ArrayTable(Table, Protocol):
    """A table that can read a column of arrays together with the weights and keys of its rows."""

    def array_batches(self, name: str, others: RowColumns) -> Iterator[ArrayBatch]:
        """Yield the rows in order."""


class Part(NamedTuple):
    """A table that has the column.

    Attributes
    ----------
    label
        The name of the table, for messages.
    data
        The rows of the column.
    """

    label: str
    data: Iterable[ArrayBatch]


class SelectedColumn(NamedTuple):
    """A column of one or several tables, which `array_columns` opens.

    Attributes
    ----------
    name
        The name of the column.
    parts
        The tables that have it.
    others
        The columns with the weights and keys of the rows.
    rows
        The number of rows; None if unknown.
    open_paths
        Whether images without bytes are read from their paths. A file from an untrusted source
        may name any path.
    """

    name: str
    parts: Iterable[Part]
    others: RowColumns
    rows: int | None
    open_paths: bool = False


def array_column(select: object, fields: Sequence[Field]) -> str | None:
    """Return the column that ``select=`` names, if it may hold lists or images; None otherwise."""
    name = single_step(select)
    if not isinstance(name, str):
        return None
    kinds = {field.name: field.reason for field in fields}
    return name if kinds.get(name) in _ARRAY_KINDS else None


def selected_name(select: object, names: Sequence[str], label: str) -> str:
    """Return the column that ``select=`` names.

    Raises
    ------
    ColumnError
        If it is not the name of one column.
    """
    name = single_step(select)
    if not isinstance(name, str):
        raise ColumnError(f"select= must be the name of one column. Received: {select!r}.")
    if name not in names:
        raise ColumnError(
            f"select= must name a column of the dataset. Received: select={name!r}; {label} has "
            f"{format_names(names)}.{suggest(name, names)}"
        )
    return name


def single_step(select: object) -> Any:
    """Return the only step of a path; several steps unchanged."""
    return select[0] if isinstance(select, tuple | list) and len(select) == 1 else select
