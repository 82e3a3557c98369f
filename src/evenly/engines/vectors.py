"""A column whose every row is a vector, or a tensor: it is fitted as the array that it is.

Spark's and Ray's tables have such columns, and `select=` chooses one, as it chooses a part of
a batch. An array's columns have no names, and so have these.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.block import Block
from evenly.engines.options import Options
from evenly.errors import ColumnError, DataError, UnsupportedTypeError, listed
from evenly.sources import open_source
from evenly.sources.choice import Field

VECTOR = "vector"
"""The kind of such a column, among the fields of a table."""


def selected(fields: Sequence[Field], options: Options, place: str) -> str | None:
    """Return the name of the column of vectors to be fitted; None to fit columns of numbers.

    Without ``select=`` it is the only one, in a table that has no column of numbers.

    Raises
    ------
    ColumnError
        When ``select=`` is no column of vectors, or ``columns=`` names one.
    """
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if options.select is None:
        _check_none_named(options.columns, vectors, place)
        alone = len(vectors) == 1 and not any(field.fits_when_named for field in fields)
        return vectors[0] if alone else None
    if options.select in vectors:
        return str(options.select)
    raise ColumnError(
        "select= chooses a column of vectors or tensors. "
        f"Received: select={options.select!r}; {place} has {listed(vectors) or 'none of these'}. "
        "Choose columns of numbers with columns=[...]."
    )


def _check_none_named(columns: Any, vectors: Sequence[str], place: str) -> None:
    asked = [columns] if isinstance(columns, str | int) else columns or ()
    if named := [name for name in asked if name in vectors]:
        raise ColumnError(
            "columns= takes columns of numbers; a column of vectors is fitted alone, as an "
            f"array. Received: columns={named[0]!r}, of {place}. Pass select={named[0]!r}."
        )


def only_vector(fields: Sequence[Field], place: str) -> str:
    """Return the one column of vectors that moments without names can be meant for."""
    vectors = [field.name for field in fields if field.kind == VECTOR]
    if len(vectors) == 1:
        return vectors[0]
    raise ColumnError(
        "Columns are matched by name, and these moments have no column names: they are those of "
        f"an array, so that {place} must have one column of vectors. "
        f"Received: {listed(vectors) or 'none'}. Select one first, or fit on columns with names."
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

    def __init__(self, batches: Iterable[Any], name: str, options: Options, place: str) -> None:
        self._batches = batches
        self._name = name
        self._options = options
        self.description = place
        self.left_out: dict[str, str] = {}

    def blocks(self) -> Generator[Block]:
        """Yield the blocks of each batch, with its weights."""
        for batch in self._batches:
            for chunk, weights in self._chunks(batch):
                array = as_array(chunk, self._place)
                if array.dtype == object:  # each of another shape: a batch of one each
                    if weights is None:
                        weights = [None] * len(array)
                    for sample, weight in zip(array, weights, strict=True):
                        some = None if weight is None else np.full(1, weight)
                        yield from self._blocks(sample[None], some)
                else:
                    yield from self._blocks(array, weights)

    @property
    def _place(self) -> str:
        return f"column {self._name!r} of {self.description}"

    def _blocks(self, array: Any, weights: Any) -> Iterable[Block]:
        if not len(array):
            return ()
        return open_source(
            array,
            columns=self._options.columns,
            exclude=self._options.exclude,
            weights=weights,
            feature_axis=self._options.feature_axis,
            place=self._place,
        ).blocks()

    def _chunks(self, batch: Any) -> Iterable[tuple[Any, Any]]:
        column = batch[self._name]
        chunks = column.chunks if hasattr(column, "chunks") else [column]
        start = 0
        for chunk in chunks:
            weights = None
            if self._options.weights is not None:
                weights = batch[self._options.weights].slice(start, len(chunk))
                weights = weights.to_numpy(zero_copy_only=False).astype(np.float64)
            yield chunk, weights
            start += len(chunk)


def as_array(column: Any, place: str) -> npt.NDArray[Any]:
    """Return an Arrow array of lists, or of tensors, as one array with an axis of rows.

    A row, or a number, that is null becomes NaN. Tensors of different shapes come as an array
    of objects.

    Raises
    ------
    DataError
        When vectors are of different lengths.
    UnsupportedTypeError
        When integers are too large for the float64 that nulls make necessary.
    """
    if not hasattr(column.type, "value_type") or hasattr(column.type, "extension_name"):
        return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    present = column.drop_null()
    rows, values = len(present), present.flatten()
    width = len(values) // rows if rows else 0
    if rows and _widths(present) != {width}:
        raise DataError(
            "Every vector of a column must be of the same length. Received: lengths "
            f"{listed(sorted(_widths(present)))}, in {place}. Pad them, or fit each length alone."
        )
    array = _numbers(values, place).reshape(rows, width)
    if rows == len(column):
        return array
    whole = np.full((len(column), width), np.nan, np.result_type(array, np.float32))
    whole[column.is_valid().to_numpy(zero_copy_only=False)] = array
    return whole


def _widths(lists: Any) -> set[int]:
    import pyarrow.compute

    return set(pyarrow.compute.list_value_length(lists).unique().to_pylist())


def _numbers(values: Any, place: str) -> npt.NDArray[Any]:
    import pyarrow

    if not values.null_count:
        return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    kind = values.type if pyarrow.types.is_floating(values.type) else pyarrow.float64()
    try:
        return values.cast(kind).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pyarrow.ArrowInvalid as error:
        raise UnsupportedTypeError(
            f"Integers beside nulls in vectors must fit float64. Received: {error}, in {place}. "
            "Fill the nulls, or make columns of the vectors."
        ) from None
