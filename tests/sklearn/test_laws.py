"""Property tests: any batches, any order and any sum give the bits of one fit."""

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
    """Assert that two scalers are bit-identical."""
    assert first.moments_ == second.moments_
    for name in (*BITS, "n_samples_seen_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


non_empty_arrays = arrays(NUMPY, min_rows=1)


@given(st.data())
def test_partial_fit_of_any_batches_equals_fit(data):
    x = data.draw(non_empty_arrays)
    scaler = StandardScaler()
    for start, stop in data.draw(splits(len(x))):
        if start < stop:  # scikit-learn rejects a batch without rows
            scaler.partial_fit(x[start:stop])
    same(scaler, StandardScaler().fit(x))


@given(st.data())
def test_sum_equals_fit_of_both(data):
    x = data.draw(arrays(NUMPY, min_rows=2))
    cut = data.draw(st.integers(1, len(x) - 1))
    first, second = StandardScaler().fit(x[:cut]), StandardScaler().fit(x[cut:])
    same(first + second, StandardScaler().fit(x))
    same(sum([second, first]), StandardScaler().fit(x))


@given(non_empty_arrays, st.randoms(use_true_random=False))
def test_fit_does_not_depend_on_row_order(x, random):
    order = random.sample(range(len(x)), len(x))
    same(StandardScaler().fit(x[order]), StandardScaler().fit(x))


@given(st.data())
def test_weight_equals_repeated_row(data):
    x = data.draw(non_empty_arrays)
    weights = np.array(data.draw(whole_weights(len(x)).filter(any)))
    weighted = StandardScaler().fit(x, sample_weight=weights)
    same(weighted, StandardScaler().fit(np.repeat(x, weights, axis=0)))


@given(non_empty_arrays)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_attributes_are_correctly_rounded(x):
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


@given(non_empty_arrays)
def test_inverse_transform_undoes_transform(x):
    """Up to a few roundings of the column's largest number; constant columns exactly."""
    x = np.clip(np.asarray(x, np.float64), -1e308, 1e308)  # larger values could round to infinity
    scaler = StandardScaler().fit(x)
    back = scaler.inverse_transform(scaler.transform(x))
    size = np.nanmax(np.abs(x), axis=0, initial=0)
    tolerance = np.where(scaler.moments_.constant, 0, size * 2.0**-50 + 2.0**-1070)
    assert (np.isnan(x) | (np.abs(back - x) <= tolerance)).all()


@given(st.data())
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_fit_of_sparse_matrix_equals_dense(container, data):
    x = data.draw(non_empty_arrays)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=x.size, max_size=x.size)), bool)
    x = np.where(keep.reshape(x.shape), x, np.zeros((), x.dtype))
    weights = data.draw(st.none() | fractional_weights(len(x)).filter(any))
    options = {"sample_weight": weights}
    dense = StandardScaler(with_mean=False).fit(x, **options)
    result = StandardScaler(with_mean=False).fit(container(x), **options)
    same(result, dense)
    np.testing.assert_array_equal(result.moments_.min, dense.moments_.min)
    np.testing.assert_array_equal(result.moments_.max, dense.moments_.max)


@given(arrays(("float64", "float32", "int32"), min_rows=1))
def test_transform_of_sparse_matrix_equals_dense(x):
    scaler = StandardScaler(with_mean=False).fit(x)
    for method in (scaler.transform, scaler.inverse_transform):
        result = method(sparse.csr_array(x))
        with np.errstate(over="ignore"):
            assert result.dtype == method(x).dtype
            np.testing.assert_array_equal(result.toarray(), method(x))
