"""Pixels on the scale of 0 to 1: the nearest float64, and only where white is known."""

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
def test_mean_and_std_are_the_float64_nearest_to_those_of_values_in_0_to_1(values, depth, less):
    dtype, factor, white = depth
    moments = evenly.fit(np.array(values, dtype)[:, None] * dtype(factor))
    exact = oracle.column(values)
    found = unit_scale(moments, correction=less)
    assert found.mean == [oracle.rounded(exact.mean() / 255)]
    variance = exact.variance(less)
    if variance is None:
        assert np.isnan(found.std[0])
    else:
        assert found.std == [oracle.rounded_root(variance / Fraction(255) ** 2)]
    assert white == 255 * factor


def test_both_depths_have_one_unit_scale():
    x = np.arange(200, dtype=np.uint8).reshape(-1, 2)
    assert unit_scale(evenly.fit(x)) == unit_scale(evenly.fit(x.astype(np.uint16) * 257))


def test_it_is_a_pair_of_lists_as_normalize_takes_them():
    mean, std = unit_scale(evenly.fit(np.array([[0], [255]], np.uint8)))
    assert (mean, std) == ([0.5], [0.5])
    assert UnitScale._fields == ("mean", "std")


def test_no_rows_have_no_mean():
    moments = Moments(_core.State(1), ("a",), ("uint8",))
    assert np.isnan([*unit_scale(moments).mean, *unit_scale(moments).std]).all()


@pytest.mark.parametrize("dtypes", [["float32"], ["int16"], ["uint8", "uint16"]])
def test_where_nothing_says_what_is_white_it_is_refused(dtypes):
    moments = sum(evenly.fit(np.ones((2, 1), dtype)) for dtype in dtypes)
    with pytest.raises(evenly.DataError, match="Only pixels that are all of dtype uint8"):
        unit_scale(moments)
    assert not is_image_like(moments)
