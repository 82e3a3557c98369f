"""`evenly.unit_scale`: the nearest float64, if the value of white is known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import oracle
from evenly import _core
from evenly.moments import Moments
from evenly.unit_scale import UnitScale, is_image_like, unit_scale


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=40),
    st.sampled_from([(np.uint8, 1, 255), (np.uint16, 257, 65535)]),
    st.integers(0, 2),
)
def test_unit_scale_is_correctly_rounded(values, depth, less):
    dtype, factor, white = depth
    moments = evenly.fit(np.array(values, dtype)[:, None] * dtype(factor))
    exact = oracle.column(values)
    scale = unit_scale(moments, correction=less)
    assert scale.mean == [oracle.rounded(exact.mean() / 255)]
    variance = exact.variance(less)
    if variance is None:
        assert np.isnan(scale.std[0])
    else:
        assert scale.std == [oracle.rounded_root(variance / Fraction(255) ** 2)]
    assert white == 255 * factor


def test_unit_scale_of_8_and_16_bits_is_equal():
    x = np.arange(200, dtype=np.uint8).reshape(-1, 2)
    assert unit_scale(evenly.fit(x)) == unit_scale(evenly.fit(x.astype(np.uint16) * 257))


def test_unit_scale_is_a_pair_of_lists():
    mean, std = unit_scale(evenly.fit(np.array([[0], [255]], np.uint8)))
    assert (mean, std) == ([0.5], [0.5])
    assert UnitScale._fields == ("mean", "std")


def test_unit_scale_of_no_rows_is_nan():
    moments = Moments(_core.State(1), ("a",), ("uint8",))
    assert np.isnan([*unit_scale(moments).mean, *unit_scale(moments).std]).all()


@pytest.mark.parametrize("dtypes", [["float32"], ["int16"], ["uint8", "uint16"]])
def test_unknown_white_raises(dtypes):
    moments = sum(evenly.fit(np.ones((2, 1), dtype)) for dtype in dtypes)
    with pytest.raises(
        evenly.DataError, match="The unit scale requires pixels that are all of dtype uint8"
    ):
        unit_scale(moments)
    assert not is_image_like(moments)
