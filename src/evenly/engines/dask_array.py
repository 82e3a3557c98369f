"""Dask arrays, chunked by rows and possibly by columns."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, cast

import dask
import numpy as np

from evenly.engines.dask_graph import Leaf, tree_reduce
from evenly.engines.partition import finalize_partials
from evenly.errors import DataError
from evenly.moments import Moments
from evenly.moments.records import state_from_records
from evenly.sources import FitOptions
from evenly.sources.feature_axis import resolve_feature_axis
from evenly.sources.selection import resolve_positions
from evenly.transform import Scaling
from evenly.transform import transform as transform_here
from evenly.transform.arrays import check_shape, output_dtype
from evenly.typing import FeatureAxis

if TYPE_CHECKING:
    import dask.array


LABEL = "the Dask Array"


def fit(x: "dask.array.Array", options: FitOptions) -> Moments:
    """Return the moments of an array: merge chunks of the same columns, then concatenate."""
    axis, num_columns = resolve_feature_axis(x.shape, options.feature_axis, LABEL)
    bounds = _chunk_bounds(x, axis)
    selection = replace(options.selection, by=())  # each chunk reports keys itself
    selected = resolve_positions(selection, num_columns, LABEL)
    blocks = _blocks_by_columns(x, axis)
    in_order = range(num_columns) if selected is None else sorted(selected)
    trees = [
        _leaves(blocks[chunk], start, columns, options)
        for chunk, (start, columns) in _columns_by_chunk(in_order, bounds).items()
    ]
    description = f"a Dask Array of shape {x.shape} in {x.npartitions} chunks"
    parts = [finalize_partials(partials, description) for partials in tree_reduce(trees)]
    moments = concat_columns(cast(list[Moments], parts))  # an array has no column of keys
    moments.sources = (description,)
    if selected is None or selected == in_order:
        return moments
    return moments.select([in_order.index(index) for index in selected])


def concat_columns(parts: Sequence[Moments]) -> Moments:
    """Return the moments of the columns of all parts, in order and without names.

    The statistics of a column do not depend on other columns, so this is exact.

    Examples
    --------
    >>> import evenly
    >>> x = [[1.0, 10.0], [2.0, 20.0]]
    >>> concat_columns([evenly.fit(x, columns=0), evenly.fit(x, columns=1)]) == evenly.fit(x)
    True
    """
    if len(parts) == 1:
        return parts[0]
    columns = [record for part in parts for record in part.column_records()]
    extremes_are_bounds = any(part.extremes_are_bounds for part in parts)
    state = state_from_records(
        columns, extremes_are_bounds=extremes_are_bounds, bins=parts[0].distribution
    )
    dtypes = tuple(column.dtype for column in columns)
    return Moments(state, None, dtypes, rows=parts[0].rows)


def transform(
    x: "dask.array.Array", scaling: Scaling, *, feature_axis: FeatureAxis = None, **options: Any
) -> Any:
    """Return x scaled, lazily and with the same chunks."""
    axis = check_shape(x.shape, len(scaling), feature_axis)
    dtype = output_dtype(x, options.get("dtype"))
    scale = partial(_scale_block, feature_axis=feature_axis, **options)
    return x.map_blocks(
        scale,
        dask.delayed(scaling, pure=True),  # one key of the graph, not a copy in each task
        axis=axis,
        bounds=_chunk_bounds(x, axis),
        dtype=dtype,
        meta=np.empty((0,) * x.ndim, dtype),
    )


def _scale_block(
    block: Any, scaling: Scaling, axis: int, bounds: list[int], block_id: Any, **options: Any
) -> Any:
    if len(bounds) > 2:
        chunk = block_id[axis]
        scaling = scaling[bounds[chunk] : bounds[chunk + 1]]
    return transform_here(block, scaling, **options)


def _chunk_bounds(x: "dask.array.Array", axis: int) -> list[int]:
    """Return the first column of each chunk of columns, then the number of columns."""
    lengths = (1,) if x.ndim == 1 else x.chunks[axis]
    if any(length != length for length in lengths):
        raise DataError(
            "The number of columns must be known. Received: a Dask Array of shape "
            f"{x.shape}. Call x.compute_chunk_sizes() first."
        )
    return [0, *accumulate(lengths)]


def _blocks_by_columns(x: "dask.array.Array", axis: int) -> "dask.array.Array":
    """Return the blocks of each chunk of columns, as pairs of a Delayed and its index."""
    blocks = x.to_delayed()
    grid = np.empty(blocks.shape, object)
    for index in np.ndindex(grid.shape):
        grid[index] = blocks[index], index
    return [grid] if x.ndim == 1 else [part.reshape(-1) for part in np.moveaxis(grid, axis, 0)]


def _columns_by_chunk(
    selected: Sequence[int], bounds: list[int]
) -> dict[int, tuple[int, list[int] | None]]:
    """Return the start and the selected local columns of each chunk of columns to read.

    None stands for all columns of a chunk.
    """
    result: dict[int, tuple[int, list[int] | None]] = {}
    for chunk, (start, stop) in enumerate(pairwise(bounds)):
        columns = [index - start for index in selected if start <= index < stop]
        if columns:
            result[chunk] = (start, None if len(columns) == stop - start else columns)
    return result


def _leaves(blocks: Any, start: int, columns: list[int] | None, options: FitOptions) -> list[Leaf]:
    local = replace(options, columns=columns, exclude=())
    return [(block, local, _block_label(index, start)) for block, index in blocks]


def _block_label(index: tuple[int, ...], start: int) -> str:
    """Return the label of a block in messages: its expression and its first column."""
    name = f"x.blocks[{', '.join(map(str, index))}]"
    return f"{name} (whose column 0 is column {start} of x)" if start else name
