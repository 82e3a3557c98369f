"""The core computes hi, lo and factor with the bits of Python's integers, or defers to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import strategies
from evenly import Moments
from evenly.transform import fast_scaling, scaling


def both(moments, *, inverse=False, correction=0, constant="zero", too_few="constant"):
    options = {
        "inverse": inverse,
        "correction": correction,
        "constant": constant,
        "too_few": too_few,
        "dtypes": (),
    }
    quick = fast_scaling(moments._state, None, **options)
    return quick, scaling(None, moments.exact_sums(), **options)


def check_same(quick, slow):
    assert slow.power is None
    for part in ("hi", "lo", "factor"):
        np.testing.assert_array_equal(getattr(quick, part), getattr(slow, part))


@given(
    strategies.arrays(min_rows=1),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["zero", "center"]),
)
def test_certain_results_of_core_match_integers(array, correction, inverse, constant):
    moments = Moments.empty(array.shape[1]).update(array)
    quick, slow = both(moments, inverse=inverse, correction=correction, constant=constant)
    if quick is not None:
        check_same(quick, slow)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, -1e3, 1e6, 1.7e9])
@pytest.mark.parametrize("inverse", [False, True])
def test_core_is_certain_for_ordinary_columns(dtype, offset, inverse):
    rng = np.random.default_rng(0)
    for spread in (1e-6, 1.0, 1e4):
        x = (rng.normal(size=(1000, 500)) * spread + offset).astype(dtype)
        x[:, 0] = x[0, 0]
        moments = evenly.fit(x)
        for correction in (0, 1):
            quick, slow = both(moments, inverse=inverse, correction=correction)
            assert quick is not None
            check_same(quick, slow)


@pytest.mark.parametrize(
    "column",
    [
        [1e308, -1e308],
        [1e-300, 3e-300],
        [5e-324, 0.0],
        [1.0 + 2.0**-52, -(2.0**-53)],  # the std lies halfway between two doubles
    ],
)
def test_core_defers_uncertain_columns(column):
    assert None in [
        both(evenly.fit(np.array(column)), inverse=inverse)[0] for inverse in (False, True)
    ]


def test_core_defers_fractional_weights_and_corrections():
    weighted = evenly.fit(np.array([1.0, 2.0]), weights=[0.5, 1.0])
    assert both(weighted)[0] is None
    assert both(evenly.fit(np.array([1.0, 2.0])), correction=0.5)[0] is None


def test_column_of_too_few_values_as_constant():
    moments = Moments.empty(2).update(np.array([[3.0, np.nan]]))
    for constant, factor in (("zero", 0.0), ("center", 1.0)):
        for result in both(moments, correction=1, constant=constant):
            np.testing.assert_array_equal(result.hi, [3.0, 0.0])
            np.testing.assert_array_equal(result.factor, [factor, factor])


def test_arrays_must_have_one_value_per_column():
    right, wrong = np.zeros(2), np.zeros(3)
    with pytest.raises(ValueError, match="one value for each column"):
        Moments.empty(2)._state.read_scaling(0, False, right, wrong, right)


@pytest.mark.parametrize("size", [2.0**1000, 2.0**-1000])
def test_center_near_float64_limits(size):
    """Only the mean is subtracted, also if hi and lo are those of x times a power of two."""
    moments = evenly.fit(np.array([[size], [size]]))
    centered = moments.normalize(np.array([[3 * size]]), constant="center")
    assert centered.tolist() == [[2 * size]]
    assert moments.denormalize(centered, constant="center").tolist() == [[3 * size]]
