"""Align the variables of a table along the axes that they share.

Weights and group keys may have some of the axes of the columns only, such as the area of each grid
cell. Their values are repeated along the other axes block by block.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from evenly.block import GroupKeys
from evenly.errors import DataError
from evenly.sources.fill_values import column_of
from evenly.sources.group_keys import factorize_column, factorize_named
from evenly.sources.stores.chunking import Slices
from evenly.sources.stores.stored_array import StoredArray
from evenly.sources.stores.variables import Variable
from evenly.typing import AnyArray

Axes = tuple[int, ...]


class Grid(NamedTuple):
    """The axes of the columns of a table: their lengths, and their names if they have any."""

    shape: tuple[int, ...]
    dims: tuple[str, ...] | None

    def axes_of(self, variable: Variable) -> Axes | None:
        """Return the axis of the grid for each axis of a variable; None if one has none.

        Axes without unique names correspond if all of them have the same lengths.
        """
        dims = variable.dims
        if dims is None or self.dims is None or len(set(dims)) < len(dims):
            return tuple(range(len(self.shape))) if variable.shape == self.shape else None
        if not set(dims) <= set(self.dims):
            return None
        axes = tuple(map(self.dims.index, dims))
        return axes if variable.shape == tuple(self.shape[axis] for axis in axes) else None


class AlignedArray:
    """An array whose axes are some of the axes of a grid, in any order."""

    def __init__(self, array: StoredArray, axes: Axes, name: str) -> None:
        self.array = array
        self.axes = axes
        self.name = name
        self._last: tuple[Slices, AnyArray] | None = None

    def read(self, slices: Slices) -> AnyArray:
        """Return the values for a block of the grid; axes that the array lacks have length 1."""
        own = tuple(slices[axis] for axis in self.axes)
        if self._last is None or self._last[0] != own:
            values = self.array.read(own)
            lengths = [1] * len(slices)
            for axis, length in zip(self.axes, values.shape, strict=True):
                lengths[axis] = length
            aligned = values.transpose(np.argsort(self.axes)).reshape(lengths)
            if len(self.axes) == len(slices):
                return aligned  # each block is read once
            self._last = own, aligned  # the next block may have the same values
        return self._last[1]


def align(
    variables: Mapping[str, Variable], columns: Sequence[str], others: Sequence[str], label: str
) -> tuple[Grid, list[AlignedArray]]:
    """Return the grid of some columns, and the arrays of these and of other variables.

    Raises
    ------
    DataError
        If the columns have different shapes, or others have an axis that the columns do not have.
    """
    first = variables[columns[0]]
    grid = Grid(first.shape, first.dims)
    arrays = []
    for name in (*columns, *others):
        axes = grid.axes_of(variables[name])
        if axes is None or (name in columns and len(axes) < len(grid.shape)):
            if name in columns:
                raise _shapes_error({name: variables[name] for name in columns}, label)
            raise _axes_error(name, variables[name], columns[0], first, label)
        arrays.append(AlignedArray(variables[name].decoded, axes, name))
    return grid, arrays


def common_chunks(arrays: Sequence[AlignedArray], axes: int) -> tuple[int, ...] | None:
    """Return the largest chunk length of the arrays on each axis."""
    chunks = [1] * axes
    for aligned in arrays:
        for axis, length in zip(aligned.axes, aligned.array.chunks or (), strict=False):
            chunks[axis] = max(chunks[axis], length)
    return tuple(chunks) if any(aligned.array.chunks for aligned in arrays) else None


def keys_of_block(values: AnyArray, shape: tuple[int, ...], name: str, label: str) -> GroupKeys:
    """Return the group keys of a block, repeated along axes of length 1."""
    if isinstance(values, np.ma.MaskedArray):
        keys = factorize_column(column_of(values))
    else:
        keys = factorize_named(values.reshape(-1), name, label)
    return GroupKeys(
        np.broadcast_to(keys.codes.reshape(values.shape), shape).reshape(-1), keys.uniques
    )


def _shapes_error(variables: Mapping[str, Variable], label: str) -> DataError:
    received = ", ".join(f"{name!r} of shape {v.shape}" for name, v in variables.items())
    return DataError(
        f"Arrays used as columns must have the same shape. Received: {label} with {received}. "
        "Name arrays of equal shape with columns=[...], or pass select= to choose one."
    )


def _axes_error(
    name: str, variable: Variable, column: str, first: Variable, label: str
) -> DataError:
    return DataError(
        "Weights and group keys must have the axes of the columns, or some of them. Received: "
        f"{label} with {name!r} of {_describe(variable)}, and {column!r} of {_describe(first)}. "
        "Choose columns with these axes, or give the axes the same names."
    )


def _describe(variable: Variable) -> str:
    axes = "" if variable.dims is None else f" ({', '.join(variable.dims)})"
    return f"shape {variable.shape}{axes}"
