"""One block of rows into the columns of their groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Block, Column, GroupKeys
from evenly.columns import ColumnNames
from evenly.errors import DataError, UnsupportedTypeError
from evenly.group_keys import format_key
from evenly.moments.ingest import as_core_buffer, check_weights_array, infinity_error
from evenly.moments.metadata import GroupMetadata


def add_grouped_block(
    state: _core.State,
    block: Block,
    keys: GroupKeys,
    indices: npt.NDArray[np.int64],
    order: Sequence[int] | None,
    infinite: str,
    names: ColumnNames,
    threads: int,
    metadata: GroupMetadata,
) -> None:
    """Add a block to a state in which each group has columns; a refusal leaves it as it was.

    Parameters
    ----------
    keys, indices
        Of each row the code of its group, and of each code the group's index in the state.
    order
        The indices of the state's columns in the block; None when they are the same.
    names
        The block's columns.
    metadata
        What the state gets with the rows.

    Raises
    ------
    DataError
        For an infinity (unless ``infinite="missing"``), which names column, row and group; for
        weights that are none.
    """
    if infinite not in ("error", "missing"):
        raise DataError(f"infinite must be 'error' or 'missing'. Received: {infinite!r}.")
    weights = None if block.weights is None else check_weights_array(block.weights, block.rows)
    columns = columns_of(block)
    chosen = columns if order is None else [columns[i] for i in order]
    try:
        found = state.update_groups(
            [as_core_buffer(column.values)[0] for column in chosen],
            [column.validity for column in chosen],
            [column.bit_offset for column in chosen],
            np.ascontiguousarray(keys.codes),
            indices,
            weights,
            infinite == "missing",
            threads,
            metadata,
        )
    except TypeError:
        raise UnsupportedTypeError(
            "Columns must hold integers, booleans or floats of at most 64 bits. Received: "
            f"{', '.join(sorted(set(block.dtypes)))} in {block.label or 'the array'}. "
            "Convert them first."
        ) from None
    if found is not None:
        row, column = found
        key = keys.uniques[keys.codes[row]]
        at = column if order is None else order[column]
        raise infinity_error(block, names, row, at, f", group {format_key(key)!r}")


def columns_of(block: Block) -> list[Column]:
    """Return the columns of a block; those of rows that lie side by side are not copied."""
    if isinstance(block.data, tuple):
        return list(block.data)
    x, dtype = as_core_buffer(block.data)
    if dtype == "bfloat16":
        x = _bfloat16_to_float32(x)
    if x.ndim == 1:
        return [Column(x)]
    axis = block.feature_axis % x.ndim
    return [
        Column(x.take(i, axis).reshape(-1) if x.ndim > 2 else _column(x, axis, i))
        for i in range(x.shape[axis])
    ]


def _column(x: npt.NDArray[Any], axis: int, index: int) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] = x[:, index] if axis else x[index]
    return column


def _bfloat16_to_float32(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Return bfloat16 as float32, of which it is the upper half."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
