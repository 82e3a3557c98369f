"""A column whose every row is a vector, or a tensor: it is fitted as the array that it is.

Spark's and Ray's tables have such columns, and `select=` chooses one, as it chooses a part of
a batch. An array's columns have no names, and so have these.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block, GroupKeys
from evenly.engines.arrow_vectors import VECTOR, as_array
from evenly.engines.options import FitOptions
from evenly.errors import ColumnError, format_names
from evenly.sources import open_source
from evenly.sources.group_by import factorize_array, parse_by
from evenly.sources.group_keys import cross_keys
from evenly.sources.selection import NULL, Field


def select_vector_column(fields: Sequence[Field], options: FitOptions, label: str) -> str | None:
    """Return the name of the column of vectors to be fitted; None to fit columns of numbers.

    Without ``select=`` it is the only one, in a table that has no column of numbers.

    Raises
    ------
    ColumnError
        When ``select=`` is no column of vectors, or ``columns=`` names one.
    """
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if options.select is None:
        _check_none_named(options.columns, vectors, label)
        alone = len(vectors) == 1 and not any(field.is_selectable for field in fields)
        return vectors[0] if alone else None
    if options.select in [*vectors, *(field.name for field in fields if field.kind == NULL)]:
        return str(options.select)
    raise ColumnError(
        "select= chooses a column of vectors or tensors. "
        f"Received: select={options.select!r}; {label} has "
        f"{format_names(vectors) or 'none of these'}. "
        "Choose columns of numbers with columns=[...]."
    )


def _check_none_named(columns: Any, vectors: Sequence[str], label: str) -> None:
    asked = [columns] if isinstance(columns, str | int) else columns or ()
    if named := [name for name in asked if name in vectors]:
        raise ColumnError(
            "columns= takes columns of numbers; a column of vectors is fitted alone, as an "
            f"array. Received: columns={named[0]!r}, of {label}. Pass select={named[0]!r}."
        )


def single_vector_column(fields: Sequence[Field], label: str) -> str:
    """Return the one column of vectors that moments without names can be meant for."""
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if len(vectors) == 1:
        return vectors[0]
    raise ColumnError(
        "Columns are matched by name, and these moments have no column names: they are those of "
        f"an array, so that {label} must have one column of vectors. "
        f"Received: {format_names(vectors) or 'none'}. "
        "Select one first, or fit on columns with names."
    )


class VectorSource:
    """The blocks of a column of vectors; a `Source`.

    Parameters
    ----------
    batches
        Arrow tables or record batches.
    name
        Of the column.
    options
        Columns and what to exclude are positions in the vectors.
    """

    names = None
    rows = None
    nbytes = None

    def __init__(self, batches: Iterable[Any], name: str, options: FitOptions, label: str) -> None:
        self._batches = batches
        self._name = name
        self._options = options
        self.description = label
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of each batch, with its weights and its keys."""
        for batch in self._batches:
            array = as_array(_combine_chunks(batch[self._name]), self._label)
            weights, keys = self._weights(batch), self._keys(batch)
            if array.dtype != object:
                yield from self._blocks(array, weights, keys)
                continue
            for row, tensor in enumerate(array):  # each of another shape: a batch of one each
                own = slice(row, row + 1)
                some = None if weights is None else weights[own]
                yield from self._blocks(tensor[None], some, None if keys is None else keys[own])

    @property
    def _label(self) -> str:
        return f"column {self._name!r} of {self.description}"

    def _weights(self, batch: Any) -> npt.NDArray[np.float64] | None:
        if self._options.weights is None:
            return None
        weights = _combine_chunks(batch[self._options.weights])
        return weights.to_numpy(zero_copy_only=False).astype(np.float64)  # type: ignore[no-any-return]

    def _keys(self, batch: Any) -> GroupKeys | None:
        names = parse_by(self._options.by)
        return (
            cross_keys([factorize_array(_combine_chunks(batch[name])) for name in names])
            if names
            else None
        )

    def _blocks(self, array: Any, weights: Any, keys: GroupKeys | None) -> Iterable[Block]:
        if not len(array):
            return ()
        return open_source(
            array,
            columns=self._options.columns,
            exclude=self._options.exclude,
            weights=weights,
            feature_axis=self._options.feature_axis,
            by=keys,
            label=self._label,
        ).blocks()


def _combine_chunks(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
