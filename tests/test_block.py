"""Blocks: rows, dtypes, and slices of columns without copying."""

import ml_dtypes
import numpy as np
import pytest
import torch

from evenly.block import Block, Column


@pytest.mark.parametrize(
    ("shape", "axis", "rows"),
    [((5,), -1, 5), ((5,), 1, 5), ((4, 3), -1, 4), ((4, 3), 0, 3), ((2, 3, 4, 5), 1, 40)],
)
def test_rows_exclude_feature_axis(shape, axis, rows):
    assert Block(None, np.zeros(shape), axis).rows == rows
    assert Block(None, torch.zeros(shape), axis).rows == rows


def test_dtype_names_of_numpy_and_torch():
    assert Block(None, np.zeros(1, ">f4")).dtypes == ("float32",)
    assert Block(None, np.zeros(1, ml_dtypes.bfloat16)).dtypes == ("bfloat16",)
    assert Block(None, torch.zeros(1, dtype=torch.bfloat16)).dtypes == ("bfloat16",)
    columns = (Column(np.zeros(1, np.bool_)), Column(np.zeros(1, np.int8)))
    assert Block(("a", "b"), columns).dtypes == ("bool", "int8")


def test_column_slice_keeps_bitmap_offset():
    values, validity = np.arange(20), np.array([255, 0, 255], np.uint8)
    part = Column(values, validity, 3)[4:9][2:]
    assert part.values.tolist() == [6, 7, 8]
    assert part.bit_offset == 9
    assert np.shares_memory(part.values, values)
    assert part.validity is validity


def test_block_without_columns_has_no_rows():
    assert Block((), ()).rows == 0
