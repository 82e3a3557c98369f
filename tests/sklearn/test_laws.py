"""Laws of the scaler: any batches, any order and any sum give the bits of one fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from evenly.sklearn import StandardScaler
from oracle import columns, rounded, rounded_root
from strategies import arrays, fractional_weights, splits, whole_weights

NUMPY = ("float64", "float32", "int64", "uint8", "bool")
BITS = ("mean_", "var_", "scale_")


def same(first, second):
    """Hold two scalers to the same bits."""
    assert first.moments_ == second.moments_
    for name in (*BITS, "n_samples_seen_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


some = arrays(NUMPY, min_rows=1)


@given(st.data())
def test_any_batches_give_the_bits_of_one_fit(data):
    x = data.draw(some)
    scaler = StandardScaler()
    for start, stop in data.draw(splits(len(x))):
        if start < stop:  # scikit-learn refuses a batch of no rows
            scaler.partial_fit(x[start:stop])
    same(scaler, StandardScaler().fit(x))


@given(st.data())
def test_the_sum_is_the_fit_of_both(data):
    x = data.draw(arrays(NUMPY, min_rows=2))
    cut = data.draw(st.integers(1, len(x) - 1))
    first, second = StandardScaler().fit(x[:cut]), StandardScaler().fit(x[cut:])
    same(first + second, StandardScaler().fit(x))
    same(sum([second, first]), StandardScaler().fit(x))


@given(some, st.randoms(use_true_random=False))
def test_order_does_not_matter(x, random):
    order = random.sample(range(len(x)), len(x))
    same(StandardScaler().fit(x[order]), StandardScaler().fit(x))


@given(st.data())
def test_a_weight_is_the_row_that_many_times(data):
    x = data.draw(some)
    weights = np.array(data.draw(whole_weights(len(x)).filter(any)))
    weighted = StandardScaler().fit(x, sample_weight=weights)
    same(weighted, StandardScaler().fit(np.repeat(x, weights, axis=0)))


@given(some)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_attributes_are_the_nearest_to_the_exact_ones(x):
    scaler = StandardScaler().fit(x)
    for i, exact in enumerate(columns(x)):
        assert scaler.moments_.count[i] == exact.count
        if not exact.count:
            assert np.isnan([scaler.mean_[i], scaler.var_[i], scaler.scale_[i]]).all()
            continue
        variance = exact.variance()
        assert scaler.mean_[i] == rounded(exact.mean())
        assert scaler.var_[i] == rounded(variance)
        assert scaler.scale_[i] == (rounded_root(variance) if variance else 1)


@given(some)
def test_there_and_back_is_where_it_was(x):
    """To a few roundings of the largest number in play; constant columns exactly."""
    x = np.clip(np.asarray(x, np.float64), -1e308, 1e308)  # a rounding above would be infinite
    scaler = StandardScaler().fit(x)
    back = scaler.inverse_transform(scaler.transform(x))
    size = np.nanmax(np.abs(x), axis=0, initial=0)
    room = np.where(scaler.moments_.constant, 0, size * 2.0**-50 + 2.0**-1070)
    assert (np.isnan(x) | (np.abs(back - x) <= room)).all()


@given(st.data())
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
def test_a_sparse_matrix_is_fitted_as_the_dense_one(kind, data):
    x = data.draw(some)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=x.size, max_size=x.size)), bool)
    x = np.where(keep.reshape(x.shape), x, np.zeros((), x.dtype))
    weights = data.draw(st.none() | fractional_weights(len(x)).filter(any))
    options = {"sample_weight": weights}
    whole = StandardScaler(with_mean=False).fit(x, **options)
    thin = StandardScaler(with_mean=False).fit(kind(x), **options)
    same(thin, whole)
    np.testing.assert_array_equal(thin.moments_.min, whole.moments_.min)
    np.testing.assert_array_equal(thin.moments_.max, whole.moments_.max)


@given(arrays(("float64", "float32", "int32"), min_rows=1))
def test_a_sparse_matrix_is_scaled_as_the_dense_one(x):
    scaler = StandardScaler(with_mean=False).fit(x)
    for verb in (scaler.transform, scaler.inverse_transform):
        thin = verb(sparse.csr_array(x))
        with np.errstate(over="ignore"):
            assert thin.dtype == verb(x).dtype
            np.testing.assert_array_equal(thin.toarray(), verb(x))
