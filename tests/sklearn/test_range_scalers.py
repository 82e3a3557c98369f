"""What the scalers of ranges and quantiles have beyond scikit-learn's."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import evenly
from evenly.errors import DataError, UnsupportedTypeError
from evenly.sklearn import MaxAbsScaler, MinMaxScaler, RobustScaler

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 3)) * [1, 1e3, 1e-3] + [0, 1e9, 5]
SCALERS = [
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-1, 2), clip=True),
    MaxAbsScaler(),
    MaxAbsScaler(clip=True),
    RobustScaler(),
    RobustScaler(quantile_range=(10, 80), unit_variance=True),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
]


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_results_are_those_of_scikit_learn(scaler):
    peer_class = getattr(preprocessing, type(scaler).__name__)
    parameters = {k: v for k, v in scaler.get_params().items() if k != "bins"}
    peer = peer_class(**parameters).fit(X)
    scaler.fit(X)
    beyond = X * 1.01
    np.testing.assert_allclose(
        scaler.transform(beyond), peer.transform(beyond), rtol=1e-6, atol=1e-6
    )
    y = scaler.transform(X)
    np.testing.assert_allclose(scaler.inverse_transform(y), X, rtol=1e-12, atol=1e-12)
    for name in ("center_", "scale_", "min_", "data_min_", "data_range_", "max_abs_"):
        if getattr(peer, name, None) is not None:
            np.testing.assert_allclose(getattr(scaler, name), getattr(peer, name), rtol=1e-9)


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_parts_in_any_order_give_the_same_bits(scaler):
    whole = clone(scaler).fit(X)
    in_parts = clone(scaler)
    for part in (X[200:], X[:50], X[50:200]):
        in_parts.partial_fit(part)
    added = sum(clone(scaler).fit(part) for part in (X[:7], X[7:]))
    for other in (in_parts, added, pickle.loads(pickle.dumps(whole))):
        np.testing.assert_array_equal(other.transform(X), whole.transform(X))
        assert other.moments_ == whole.moments_


def test_a_failed_fit_changes_nothing():
    scaler = RobustScaler().fit(X)
    before = scaler.transform(X)
    with pytest.raises(DataError, match="infinity"):
        scaler.fit(np.where(X[0, 0] == X, np.inf, X))
    with pytest.raises(DataError, match="Invalid quantile range"):
        scaler.set_params(quantile_range=(90, 10)).fit(X)
    scaler.set_params(quantile_range=(25.0, 75.0))
    np.testing.assert_array_equal(scaler.transform(X), before)


def test_float32_at_a_large_offset():
    x = (1.7e9 + 128 * np.arange(9)).astype(np.float32)[:, None]
    y = MinMaxScaler().fit_transform(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[:, 0], np.arange(9) / 8, atol=1e-7)


def test_sparse_matrices_are_not_centered():
    x = sparse.random(200, 4, 0.2, format="csr", rng=1)
    for scaler in (MaxAbsScaler(clip=True), RobustScaler(with_centering=False)):
        dense = clone(scaler).fit(x.toarray())
        found = scaler.fit(x).transform(x)
        np.testing.assert_allclose(found.toarray(), dense.transform(x.toarray()))


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_a_scaler_that_centers_refuses_sparse_matrices(container):
    """Fitted on dense data, it would have scaled the stored values without subtracting anything."""
    x, dense = container(np.eye(3)), np.array([[5.0, 1, 2], [7, 3, 4], [9, 2, 2]])
    for scaler, error, message in (
        (MinMaxScaler(), UnsupportedTypeError, "does not support sparse input.*MaxAbsScaler"),
        (RobustScaler(), DataError, "center sparse matrices: pass `with_centering=False`"),
    ):
        with pytest.raises(error, match=message):
            clone(scaler).fit(x)
        scaler.fit(dense)
        with pytest.raises(error, match=message):
            scaler.transform(x)
        with pytest.raises(error, match=message):
            scaler.inverse_transform(x)


@pytest.mark.parametrize("scaler", [MaxAbsScaler(), RobustScaler(with_centering=False)])
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array])
def test_formats_of_sparse_matrices_are_kept(scaler, container):
    x = container(np.array([[0.0, 2, 0], [4, 2, 0], [0, -8, 0], [1, 0, 0]]))
    scaler.fit(x.toarray())
    y = scaler.transform(x)
    assert type(y) is container
    np.testing.assert_array_equal(y.toarray(), scaler.transform(x.toarray()))
    np.testing.assert_array_equal(scaler.inverse_transform(y).toarray(), x.toarray())


def test_many_values_have_quantiles_within_their_bounds():
    x = RNG.lognormal(size=(50_000, 1))
    scaler = RobustScaler(bins=256).fit(x)
    low, high = scaler.moments_.quantile_bounds(0.5)
    assert low <= np.median(x) <= high
    assert low <= scaler.center_ <= high
    assert scaler.moments_.distribution == 256


# From moments

MOMENTS = evenly.fit(pd.DataFrame(X, columns=["a", "b", "c"]), distribution=2048)


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_from_moments_equals_fit(scaler, tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    MOMENTS.save(tmp_path / "x.json")
    for given in (MOMENTS, tmp_path / "x.json"):
        created = type(scaler).from_moments(given, **scaler.get_params())
        scaler.fit(frame)
        np.testing.assert_array_equal(created.transform(frame), scaler.transform(frame))
        assert created.get_feature_names_out().tolist() == ["a", "b", "c"]
        assert (created + scaler).moments_ == scaler.partial_fit(frame).moments_
        created.partial_fit(frame)
        np.testing.assert_array_equal(created.transform(frame), scaler.transform(frame))


def test_from_moments_keeps_the_bins_of_the_moments():
    assert RobustScaler.from_moments(MOMENTS).bins == 2048
    assert RobustScaler.from_moments(MOMENTS, bins=64).moments_.distribution == 64


@pytest.mark.parametrize("scaler_class", [MinMaxScaler, MaxAbsScaler, RobustScaler])
def test_frozen_scaler_from_moments_is_not_fitted_again(scaler_class):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frozen = scaler_class.from_moments(MOMENTS, frozen=True)
    expected = scaler_class.from_moments(MOMENTS).transform(frame)
    np.testing.assert_array_equal(make_pipeline(frozen).fit(frame + 100).transform(frame), expected)


@pytest.mark.parametrize("scaler_class", [MinMaxScaler, MaxAbsScaler, RobustScaler])
def test_from_moments_refuses_moments_that_are_not_enough(scaler_class):
    for columns, nothing in ((3, "rows"), (0, "columns")):
        with pytest.raises(DataError, match=f"one column and one row.*without {nothing}"):
            scaler_class.from_moments(evenly.Moments.empty(columns, distribution=True))
    rest = evenly.fit(X) - evenly.fit(X[:9])
    message = "with a distribution" if scaler_class is RobustScaler else "extremes are bounds"
    with pytest.raises(DataError, match=message):
        scaler_class.from_moments(rest)
    with pytest.raises(UnsupportedTypeError, match=r"made from Moments.*Received: ndarray"):
        scaler_class.from_moments(X)


def test_attributes_are_not_set():
    with pytest.raises(AttributeError, match=r"^scale_ is computed.*with MaxAbsScaler\.from_mom"):
        MaxAbsScaler().fit(X).scale_ = 3


# Parameters without a result


@pytest.mark.parametrize("limits", [(1, 0), (1, 1), (0, np.nan), (0, np.inf)])
def test_feature_range_must_be_finite_and_ascending(limits):
    with pytest.raises(DataError, match=r"smaller than maximum, and both finite\. Received"):
        MinMaxScaler(feature_range=limits).fit(X)


@pytest.mark.parametrize("limits", [(0, 100), (0, 75), (50, 50)])
def test_unit_variance_needs_finite_quantiles_of_a_normal_distribution(limits):
    """The divisor was 0, as scikit-learn's, and every result infinite."""
    RobustScaler(quantile_range=limits).fit(X)
    with pytest.raises(DataError, match=r"must be finite and differ\. Received: quantile_range"):
        RobustScaler(quantile_range=limits, unit_variance=True).fit(X)
