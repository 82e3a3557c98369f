"""Pass the rows of a block to the core, and convert its errors to clear messages."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly import _core
from evenly.block import Block, Column, ColumnViews, GroupKeys
from evenly.columns import ColumnNames
from evenly.dispatch import is_sparse
from evenly.errors import DataError, UnsupportedTypeError, check_choice
from evenly.group_keys import format_key
from evenly.moments.metadata import GroupMetadata
from evenly.moments.sparse import Weights, sparse_state
from evenly.sources.native_arrays import to_native
from evenly.transform.kernel import CoreView, array_buffer
from evenly.typing import AnyArray, Infinite

INFINITE_POLICIES = ("error", "missing")


def add_block(
    state: _core.State, block: Block, infinite: Infinite, names: ColumnNames, threads: int = 0
) -> None:
    """Add a block to a state that has its columns, from ``block.first_column`` on.

    The state is unchanged when an error is raised.

    Parameters
    ----------
    names
        The columns of the block.

    Raises
    ------
    DataError
        For an infinity (unless ``infinite="missing"``), invalid weights, or a shape that does not
        match.
    UnsupportedTypeError
        For a dtype that is not numeric.
    """
    check_choice("infinite", infinite, INFINITE_POLICIES)
    weights = _weights_of(state, block)
    try:
        infinity = _update(state, block, weights, infinite == "missing", threads)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{_label(block)} cannot be added: {error}") from None
    except TypeError:
        raise _dtype_error(block) from None
    if infinity is not None:
        raise infinity_error(block, names, *infinity)


def _update(
    state: _core.State, block: Block, weights: Weights, as_missing: bool, threads: int
) -> tuple[int, int] | None:
    """Call the core for the layout of a block; return the row and column of an infinity."""
    first_column = block.first_column or 0
    if isinstance(block.data, ColumnViews) and weights is None:
        return state.update_views(block.data.views, as_missing, threads, first_column)
    if block.has_columns:
        return state.update_columns(
            [to_native(column.values) for column in block.data],
            [column.validity for column in block.data],
            [column.bit_offset for column in block.data],
            weights,
            as_missing,
            threads,
            first_column,
        )
    if is_sparse(block.data):
        part, infinity = sparse_state(
            block.data, weights, infinite_as_missing=as_missing, threads=threads, bins=state.bins
        )
        if infinity is None:
            state.merge(part, consume=True)
        return infinity
    x, dtype = core_buffer(block.data)
    axis = -1 if x.ndim == 1 else block.feature_axis
    return state.update(x, axis, weights, as_missing, threads, dtype)


def add_grouped_block(
    state: _core.State,
    block: Block,
    keys: GroupKeys,
    indices: npt.NDArray[np.int64],
    order: Sequence[int] | None,
    infinite: Infinite,
    names: ColumnNames,
    threads: int,
    metadata: GroupMetadata,
) -> None:
    """Add a block to a state that has columns for each group.

    The state is unchanged when an error is raised.

    Parameters
    ----------
    keys, indices
        The code of each row's group, and the index of each code's group in the state.
    order
        The indices of the state's columns in the block; None when they are the same.
    names
        The columns of the block.
    metadata
        The metadata of the state after the update.

    Raises
    ------
    DataError
        For an infinity (unless ``infinite="missing"``), and for invalid weights.
    UnsupportedTypeError
        For a dtype that is not numeric.
    """
    check_choice("infinite", infinite, INFINITE_POLICIES)
    weights = _weights_of(state, block)
    columns = columns_of(block)
    chosen = columns if order is None else [columns[i] for i in order]
    try:
        infinity = state.update_groups(
            [core_buffer(column.values)[0] for column in chosen],
            [column.validity for column in chosen],
            [column.bit_offset for column in chosen],
            np.ascontiguousarray(keys.codes),
            indices,
            weights,
            infinite == "missing",
            threads,
            metadata,
        )
    except OverflowError as error:
        raise DataError(f"{_label(block)} cannot be added: {error}") from None
    except TypeError:
        raise _dtype_error(block) from None
    if infinity is not None:
        row, column = infinity
        key = keys.uniques[keys.codes[row]]
        index = column if order is None else order[column]
        raise infinity_error(block, names, row, index, f", group {format_key(key)!r}")


def columns_of(block: Block) -> list[Column]:
    """Return the columns of a block; they are copied if rows are on several axes."""
    if block.has_columns:
        return list(block.data)
    if is_sparse(block.data):
        return [Column(column.toarray().reshape(-1)) for column in _sparse_columns(block.data)]
    x, dtype = core_buffer(block.data)
    if dtype == "bfloat16":
        x = _bfloat16_to_float32(x)
    if x.ndim == 1:
        return [Column(x)]
    axis = block.feature_axis % x.ndim
    return [
        Column(x.take(i, axis).reshape(-1) if x.ndim > 2 else _column(x, axis, i))
        for i in range(x.shape[axis])
    ]


def _sparse_columns(x: Any) -> list[Any]:
    return [x[:, [index]] for index in range(x.shape[1])]


def _column(x: AnyArray, axis: int, index: int) -> AnyArray:
    column: AnyArray = x[:, index] if axis else x[index]
    return column


def _bfloat16_to_float32(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Convert bfloat16 values, given as bits, to float32; they are its upper 16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def infinity_error(
    block: Block, names: ColumnNames, row: int, column: int, group: str = ""
) -> DataError:
    """Return the error for an infinite value, with its column, row and group."""
    labels = range(block.features) if block.column_numbers is None else block.column_numbers
    name = labels[column] if names is None else repr(names[column])
    return DataError(
        f"Every value must be finite. Received: infinity in column {name}, row "
        f"{block.first_row + row} of {_label(block)}{group}. Correct it, or pass "
        'infinite="missing" to count infinities as missing.'
    )


def _label(block: Block) -> str:
    return block.label or "the array"


def _weights_of(state: _core.State, block: Block) -> Weights:
    """Return the weights of a block, which must be whole numbers if values are counted.

    Raises
    ------
    DataError
        When they are fractions then, or invalid.
    """
    if block.weights is None:
        return None
    weights = check_weights_array(block.weights, block.rows)
    if state.bins:
        is_whole = weights == np.floor(weights)
        if not is_whole.all():
            row = int(np.argmin(is_whole))
            raise DataError(
                "Distributions count rows, so weights must be whole numbers. Received: "
                f"{weights[row]} in row {block.first_row + row} of {_label(block)}. Fit without "
                "distribution=, or with whole weights."
            )
    return weights


def check_weights_array(weights: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    """Return weights as float64, after checking their shape and values."""
    result = np.ascontiguousarray(weights, np.float64)
    if result.shape != (rows,):
        raise DataError(
            f"weights must have one number per row: shape ({rows},). "
            f"Received: shape {result.shape}."
        )
    from evenly.sources.weights import check_weights  # also aligns sources, which few fits need

    check_weights(result, 0, "weights=")
    return result


def core_buffer(x: object) -> CoreView:
    """Return an array and a dtype name for the core; bfloat16 becomes uint16 bits."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        from evenly.transform import tensors

        return tensors.tensor_buffer(x)
    return array_buffer(to_native(x))


def num_columns(block: Block) -> int:
    """Return the number of columns of a block.

    Raises
    ------
    DataError
        When ``feature_axis`` is not an axis of the array.
    """
    if not block.has_columns:
        shape = tuple(block.data.shape)
        if not -len(shape) <= block.feature_axis < len(shape):
            raise DataError(
                "feature_axis must be an axis of the array. "
                f"Received: {block.feature_axis}, and an array of shape {shape}."
            )
    return block.features


def _dtype_error(block: Block) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "Columns must hold integers, booleans or floats of at most 64 bits. Received: "
        f"{', '.join(sorted(set(block.dtypes)))} in {_label(block)}. Convert them first."
    )
