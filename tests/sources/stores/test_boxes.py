"""Tests of splitting chunked arrays into blocks."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.sources.stores.chunking import plan_slices

MB = 2**20


@st.composite
def arrays(draw):
    """Draw a shape, its chunks and the feature axis, with values large enough to be split."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    chunks = tuple(draw(st.integers(1, length)) for length in shape)
    axis = draw(st.sampled_from([None, *range(len(shape))]))
    return shape, chunks, axis, 2 ** draw(st.integers(0, 28))


@given(arrays(), st.booleans())
def test_every_value_is_in_one_block(array, in_order):
    shape, chunks, axis, itemsize = array
    seen = np.zeros(shape, int)
    for block in plan_slices(
        shape, chunks, itemsize=itemsize, feature_axis=axis, in_order=in_order
    ):
        seen[block] += 1
    assert (seen == 1).all()


@given(arrays())
def test_chunk_is_in_one_block(array):
    shape, chunks, axis, itemsize = array
    blocks = plan_slices(shape, chunks, itemsize=itemsize, feature_axis=axis)
    grid = itertools.product(*(range(0, n, c) for n, c in zip(shape, chunks, strict=True)))
    for start in grid:
        holding = [
            block
            for block in blocks
            if all(
                b.start < s + c and s < b.stop for b, s, c in zip(block, start, chunks, strict=True)
            )
        ]
        assert len(holding) == 1 or blocks.in_order  # one row may exceed the maximum


@given(arrays(), st.booleans())
def test_in_order_blocks_keep_row_order(array, in_order):
    shape, chunks, axis, itemsize = array
    blocks = plan_slices(shape, chunks, itemsize=itemsize, feature_axis=axis, in_order=in_order)
    assert blocks.in_order or not in_order
    x = np.arange(math.prod(shape)).reshape(shape)
    last = 0 if axis is None else axis
    rows = [np.moveaxis(x[block], last, 0).reshape(x[block].shape[last], -1) for block in blocks]
    if blocks.in_order and axis is not None:
        whole = np.moveaxis(x, axis, 0).reshape(shape[axis], -1)
        assert np.concatenate(rows, axis=1).tolist() == whole.tolist()
    elif blocks.in_order:
        assert [v for block in blocks for v in x[block].ravel()] == list(range(x.size))


@pytest.mark.parametrize(
    ("shape", "chunks", "axis", "steps"),
    [
        ((10**5, 8), (1000, 8), 1, (100_000, 8)),
        ((10**7, 8), (1000, 8), 1, (262_000, 8)),
        ((10**7, 8), None, 1, (262_144, 8)),
        ((64, 3, 512, 512), (1, 3, 512, 512), 1, (2, 3, 512, 512)),
        ((8760, 721, 1440), (8760, 20, 20), None, (8760, 20, 20)),
        ((3, 10**8), (3, 10**6), 0, (3, 1_000_000)),
    ],
)
def test_block_shapes(shape, chunks, axis, steps):
    blocks = plan_slices(shape, chunks, itemsize=4, feature_axis=axis)
    assert tuple(min(s, n) for s, n in zip(blocks.steps, shape, strict=True)) == steps
    assert 4 * math.prod(steps) <= 14 * MB  # at least one chunk


def test_in_order_block_size_is_limited():
    """In row order, chunks that are long in time are read again for each block."""
    blocks = plan_slices((8760, 721, 1440), (8760, 20, 20), itemsize=4, in_order=True)
    assert blocks.in_order
    assert 4 * math.prod(blocks.steps) <= 256 * MB
