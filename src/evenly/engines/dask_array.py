"""Dask arrays: chunks of rows, and perhaps of columns."""

from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import dask
import numpy as np

from evenly.engines.beside import concat_columns
from evenly.engines.dask_graph import Leaf, tree_reduce
from evenly.engines.partition import FitOptions, finalize_partials
from evenly.errors import DataError
from evenly.moments import Moments
from evenly.sources.arrays import resolve_feature_axis
from evenly.sources.selection import parse_selection, resolve_positions
from evenly.transform import Scaling
from evenly.transform import transform as transform_here
from evenly.transform.arrays import check_shape, output_dtype

PLACE = "the Dask Array"


def fit(x: Any, options: FitOptions) -> Moments:
    """Return the moments of an array; chunks of the same columns add up, others stand beside."""
    axis, number = resolve_feature_axis(x.shape, options.feature_axis, PLACE)
    starts = _starts(x, axis)
    asked = parse_selection(options.columns, options.exclude, options.weights)
    picked = resolve_positions(asked, number, PLACE)
    blocks = _by_columns(x, axis)
    wanted = range(number) if picked is None else sorted(picked)
    groups = [
        _leaves(blocks[chunk], start, local, options)
        for chunk, (start, local) in _local(wanted, starts).items()
    ]
    description = f"a Dask Array of shape {x.shape} in {x.npartitions} chunks"
    together = concat_columns([finalize_partials(top, description) for top in tree_reduce(groups)])
    together.sources = (description,)
    if picked is None or picked == wanted:
        return together
    return together.select([wanted.index(index) for index in picked])


def transform(x: Any, scaling: Scaling, *, feature_axis: int = -1, **options: Any) -> Any:
    """Return an array of the same chunks, scaled; each chunk by the numbers of its columns."""
    axis = check_shape(x.shape, len(scaling), feature_axis)
    dtype = output_dtype(x, options.get("dtype"))
    work = partial(_scaled, feature_axis=feature_axis, **options)
    return x.map_blocks(
        work,
        dask.delayed(scaling, pure=True),  # one key of the graph, not a copy in each task
        axis=axis,
        starts=_starts(x, axis),
        dtype=dtype,
        meta=np.empty((0,) * x.ndim, dtype),
    )


def _scaled(
    block: Any, scaling: Scaling, axis: int, starts: list[int], block_id: Any, **options: Any
) -> Any:
    if len(starts) > 2:
        chunk = block_id[axis]
        scaling = scaling[starts[chunk] : starts[chunk + 1]]
    return transform_here(block, scaling, **options)


def _starts(x: Any, axis: int) -> list[int]:
    """Return where each chunk of columns starts, and where the last one ends."""
    lengths = (1,) if x.ndim == 1 else x.chunks[axis]
    if any(length != length for length in lengths):
        raise DataError(
            "The number of columns must be known. Received: a Dask Array of shape "
            f"{x.shape}. Call x.compute_chunk_sizes() first."
        )
    return [0, *accumulate(lengths)]


def _by_columns(x: Any, axis: int) -> Any:
    """Return for each chunk of columns its blocks: pairs of a Delayed and its index."""
    blocks = x.to_delayed()
    grid = np.empty(blocks.shape, object)
    for index in np.ndindex(grid.shape):
        grid[index] = blocks[index], index
    return [grid] if x.ndim == 1 else [part.reshape(-1) for part in np.moveaxis(grid, axis, 0)]


def _local(wanted: Any, starts: list[int]) -> dict[int, tuple[int, list[int] | None]]:
    """Return which chunks of columns are read: where each starts, and which of its columns."""
    result: dict[int, tuple[int, list[int] | None]] = {}
    for chunk, (start, stop) in enumerate(pairwise(starts)):
        here = [index - start for index in wanted if start <= index < stop]
        if here:
            result[chunk] = (start, None if len(here) == stop - start else here)
    return result


def _leaves(blocks: Any, start: int, columns: list[int] | None, options: FitOptions) -> list[Leaf]:
    local = replace(options, columns=columns, exclude=())
    return [(block, local, _block_label(index, start)) for block, index in blocks]


def _block_label(index: tuple[int, ...], start: int) -> str:
    """Return what messages call a block: how its user gets it, and where its columns start."""
    name = f"x.blocks[{', '.join(map(str, index))}]"
    return f"{name} (whose column 0 is column {start} of x)" if start else name
