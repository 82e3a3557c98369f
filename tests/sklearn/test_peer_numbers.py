"""Cases in which scikit-learn's scaler is wrong and evenly's is right.

Each failure is asserted, so that a test fails once scikit-learn fixes it. The exact results
come from `oracle`.
"""

import numpy as np
import pytest
from scipy import sparse
from sklearn import preprocessing

from evenly.sklearn import StandardScaler
from oracle import columns, rounded, rounded_root


def pair(**parameters):
    return preprocessing.StandardScaler(**parameters), StandardScaler(**parameters)


def error(value, exact):
    """Return the relative error."""
    return abs(float(value) - exact) / exact


def test_varying_columns_are_scaled_for_any_number_of_rows():
    """scikit-learn's bound for constant columns grows with the square of the rows (#19788)."""
    rows = 10_000_000
    x = np.full((rows, 1), 1.7e9)
    x[::2] += 6  # mean 1.7e9 + 3, std 3
    theirs, ours = (scaler.fit(x) for scaler in pair())
    assert theirs.scale_ == 1
    assert theirs.var_ == pytest.approx(9)
    assert (ours.scale_, ours.var_) == (3, 9)


@pytest.mark.parametrize("average", [1e-10, 1, 1e10])
def test_column_is_constant_only_if_all_values_are_equal(average):
    """The columns of scikit-learn's test_standard_scaler_near_constant_features."""
    scales = np.logspace(-14, 3, 18) * average
    x = np.empty((100, len(scales)))
    x[:50], x[50:] = average + scales, average - scales
    scaler = StandardScaler().fit(x)
    same = x[0] == x[-1]
    assert (scaler.scale_[same] == 1).all()
    assert scaler.scale_[~same].tolist() == [
        rounded_root(exact.variance()) for exact in columns(x[:, ~same])
    ]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_batch_without_values_does_not_make_variance_nan():
    x = np.array([[1.0, 5.0], [3.0, np.nan], [5.0, np.nan], [7.0, 9.0]])
    theirs, ours = pair()
    for rows in (slice(0, 1), slice(1, 3), slice(3, 4)):
        theirs.partial_fit(x[rows])
        ours.partial_fit(x[rows])
    assert np.isnan(theirs.var_[1])
    assert theirs.fit(x).var_[1] == 4
    assert ours.var_.tolist() == [5, 4]


def test_partial_fit_is_exact_at_an_offset():
    x = 1e12 + np.random.default_rng(0).normal(size=(500, 1))
    theirs, ours = pair()
    for row in x:
        theirs.partial_fit(row[np.newaxis])
        ours.partial_fit(row[np.newaxis])
    exact = rounded(columns(x)[0].variance())
    assert error(theirs.var_[0], exact) > 1e-6
    assert ours.var_[0] == exact


def test_float32_timestamps_are_scaled_exactly():
    """scikit-learn subtracts a float32 mean: off by 1e-2 standard deviations."""
    x = np.random.default_rng(0).integers(0, 40, (1000, 1)) * 128 + np.float32(1.7e9)
    x = x.astype(np.float32)
    exact = StandardScaler().fit(x).transform(x.astype(np.float64))
    theirs, ours = (scaler.fit(x).transform(x) for scaler in pair())
    assert np.abs(theirs - exact).max() > 5e-3
    assert np.abs(ours - exact).max() <= np.spacing(np.float32(np.abs(exact).max())) / 2


def test_large_integers_are_read_exactly():
    x = np.array([[2**60], [2**60 + 1]])
    theirs, ours = (scaler.fit_transform(x) for scaler in pair())
    assert theirs.tolist() == [[0], [0]]
    assert ours.tolist() == [[-1], [1]]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_values_whose_squares_overflow_are_scaled(size):
    x = np.array([[1 * size], [2 * size], [3 * size]])
    theirs, ours = (scaler.fit(x) for scaler in pair())
    assert error(theirs.scale_[0], size * (2 / 3) ** 0.5) > 0.5
    np.testing.assert_allclose(ours.transform(x).ravel(), [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-15)


def test_float16_is_rounded_once():
    x = (2000 + np.arange(8, dtype=np.float16)).reshape(-1, 1)  # mean 2003.5
    theirs, ours = (scaler.fit_transform(x) for scaler in pair())
    assert theirs.sum() != 0
    assert ours.sum() == 0


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_duplicate_sparse_entries_are_added():
    rows = np.array([0, 0, 1])
    x = sparse.csc_array((np.array([1.0, 2.0, 3.0]), rows, [0, 3]), shape=(2, 1))
    assert x.toarray().tolist() == [[3], [3]]
    theirs, ours = (scaler.fit(x) for scaler in pair(with_mean=False))
    assert theirs.var_ != 0
    assert (ours.var_, ours.mean_) == (0, 3)
    assert x.nnz == 3  # x is unchanged
