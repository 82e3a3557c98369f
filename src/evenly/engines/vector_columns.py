"""Fit a column of vectors or tensors as an array.

Spark and Ray tables can have such columns; `select=` chooses one, as it chooses a part of a
batch. The columns of the resulting array have no names.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block, GroupKeys
from evenly.engines.arrow_vectors import VECTOR, vectors_to_array
from evenly.errors import ColumnError, format_names
from evenly.sources import FitOptions, open_source
from evenly.sources.fields import NULL, Field
from evenly.sources.group_by import factorize_array
from evenly.sources.group_keys import cross_keys
from evenly.sources.group_names import parse_by
from evenly.sources.source import SequentialSource
from evenly.typing import ColumnName

if TYPE_CHECKING:
    import pyarrow


def select_vector_column(fields: Sequence[Field], options: FitOptions, label: str) -> str | None:
    """Return the name of the column of vectors to fit, or None to fit numeric columns.

    Without ``select=``, a column of vectors is fitted if it is the only one and the table has no
    numeric column.

    Raises
    ------
    ColumnError
        When ``select=`` is not a column of vectors, or ``columns=`` names one.
    """
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if options.select is None:
        _check_no_vectors_named(options.selection.columns or (), vectors, label)
        is_only = len(vectors) == 1 and not any(field.is_selectable for field in fields)
        return vectors[0] if is_only else None
    if options.select in [*vectors, *(field.name for field in fields if field.kind == NULL)]:
        return str(options.select)
    raise ColumnError(
        "select= must name a column of vectors or tensors. "
        f"Received: select={options.select!r}; {label} has "
        f"{format_names(vectors) or 'no such column'}. "
        "Select numeric columns with columns=[...]."
    )


def _check_no_vectors_named(
    columns: Sequence[ColumnName], vectors: Sequence[str], label: str
) -> None:
    if vectors_named := [name for name in columns if name in vectors]:
        raise ColumnError(
            "columns= takes numeric columns; a column of vectors is fitted separately, as an "
            f"array. Received: columns={vectors_named[0]!r}, of {label}. "
            f"Pass select={vectors_named[0]!r}."
        )


def single_vector_column(fields: Sequence[Field], label: str) -> str:
    """Return the only column of vectors, to which moments without names apply."""
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if len(vectors) == 1:
        return vectors[0]
    raise ColumnError(
        "Columns are matched by name. These moments were fitted on an array and have no column "
        f"names, so {label} must have exactly one column of vectors. "
        f"Received: {format_names(vectors) or 'none'}. "
        "Select one first, or fit on columns with names."
    )


class VectorSource(SequentialSource):
    """A `Source` of the blocks of a column of vectors.

    Parameters
    ----------
    batches
        Arrow tables or record batches.
    name
        Name of the column.
    options
        Options of the fit; ``columns`` and ``exclude`` are positions in the vectors.
    """

    names = None
    rows = None
    nbytes = None

    def __init__(
        self,
        batches: "Iterable[pyarrow.RecordBatch | pyarrow.Table]",
        name: str,
        options: FitOptions,
        label: str,
    ) -> None:
        self._batches = batches
        self._name = name
        self._options = options
        self.description = label
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of each batch, with its weights and keys."""
        for batch in self._batches:
            array = vectors_to_array(_combine_chunks(batch[self._name]), self._label)
            weights, keys = self._read_weights(batch), self._read_keys(batch)
            if array.dtype != object:
                yield from self._array_blocks(array, weights, keys)
                continue
            for row, tensor in enumerate(array):  # different shapes: one batch per tensor
                rows = slice(row, row + 1)
                yield from self._array_blocks(
                    tensor[None],
                    None if weights is None else weights[rows],
                    None if keys is None else keys[rows],
                )

    @property
    def _label(self) -> str:
        return f"column {self._name!r} of {self.description}"

    def _read_weights(
        self, batch: "pyarrow.RecordBatch | pyarrow.Table"
    ) -> npt.NDArray[np.float64] | None:
        if self._options.weights is None:
            return None
        weights = _combine_chunks(batch[self._options.weights])
        return weights.to_numpy(zero_copy_only=False).astype(np.float64)  # type: ignore[no-any-return]

    def _read_keys(self, batch: "pyarrow.RecordBatch | pyarrow.Table") -> GroupKeys | None:
        names = parse_by(self._options.by)
        return (
            cross_keys([factorize_array(_combine_chunks(batch[name])) for name in names])
            if names
            else None
        )

    def _array_blocks(
        self, array: Any, weights: npt.NDArray[np.float64] | None, keys: GroupKeys | None
    ) -> Iterable[Block]:
        if not len(array):
            return ()
        return open_source(
            array,
            replace(self._options, weights=weights, select=None, by=keys),
            label=self._label,
        ).blocks()


def _combine_chunks(column: object) -> "pyarrow.Array":
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
