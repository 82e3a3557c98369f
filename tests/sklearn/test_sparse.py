"""Sparse matrices, by example: what `test_laws.py` does not say."""

import numpy as np
import pytest
from scipy import sparse

from evenly import _core
from evenly.errors import DataError
from evenly.sklearn import StandardScaler


@pytest.fixture
def x():
    return sparse.csr_array(np.array([[0.0, 2.0, 0.0], [4.0, 2.0, 0.0]]))


def fitted(x):
    return StandardScaler(with_mean=False).fit(x)


def test_zeros_that_are_not_stored_count(x):
    scaler = fitted(x)
    assert scaler.mean_.tolist() == [2, 2, 0]
    assert scaler.scale_.tolist() == [2, 1, 1]
    assert scaler.n_samples_seen_ == 2
    assert scaler.moments_.rows == 2


@pytest.mark.parametrize("kind", [sparse.csc_array, sparse.coo_array, sparse.lil_array])
def test_every_format_is_taken_and_comes_back_as_csr(x, kind):
    result = fitted(kind(x)).transform(kind(x))
    assert result.format == "csr"
    assert result.toarray().tolist() == [[0, 2, 0], [2, 2, 0]]


def test_matrices_stay_matrices(x):
    x = sparse.csr_matrix(x)
    assert isinstance(fitted(x).transform(x), sparse.csr_matrix)


def test_the_way_back(x):
    scaler = fitted(x)
    assert scaler.inverse_transform(scaler.transform(x)).toarray().tolist() == x.toarray().tolist()


def test_without_copy_the_stored_values_are_scaled_in_place(x):
    assert fitted(x).transform(x, copy=False) is x
    assert x.data.tolist() == [2, 2, 2]


def test_with_copy_no_memory_is_shared(x):
    result = fitted(x).transform(x)
    for part in ("data", "indices", "indptr"):
        assert not np.shares_memory(getattr(result, part), getattr(x, part))


def test_integers_become_float64(x):
    assert fitted(x.astype(np.int8)).transform(x.astype(np.int8)).dtype == np.float64


@pytest.mark.parametrize(
    ("verb", "word"), [("transform", "center"), ("inverse_transform", "uncenter")]
)
def test_centring_is_refused(x, verb, word):
    dense = StandardScaler().fit(x.toarray())
    with pytest.raises(ValueError, match=f"Cannot {word} sparse matrices: pass `with_mean=False`"):
        getattr(dense, verb)(x)
    with pytest.raises(ValueError, match="Cannot center sparse matrices"):
        StandardScaler().fit(x)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array])
def test_an_infinity_is_named(x, kind):
    x.data[1] = np.inf
    with pytest.raises(DataError, match="infinity in column 0, row 1"):
        fitted(kind(x))
    x.data[1] = 4
    scaler = fitted(x)
    x.data[1] = np.inf
    with pytest.raises(DataError, match="infinity in column 0, row 1"):
        scaler.transform(kind(x))


def test_negative_weights_are_refused(x):
    with pytest.raises(DataError, match="Weights must be finite and not negative"):
        StandardScaler(with_mean=False).fit(x, sample_weight=[1, -1])


def test_dense_and_sparse_batches_add_up(x):
    scaler = fitted(x).partial_fit(x.toarray())
    assert scaler.moments_ == fitted(sparse.vstack([x, x]).tocsc()).moments_


def test_nothing_is_made_dense():
    """Ten million rows of a hundred thousand columns."""
    x = sparse.csr_array(([1.0, 3.0], ([0, 9_999_999], [5, 5])), shape=(10_000_000, 100_000))
    scaler = fitted(x)
    assert scaler.mean_[5] == 4e-7
    assert scaler.transform(x).nnz == 2


@pytest.mark.parametrize("starts", [[], [0, 3], [0, 2, 1], [0, 1, 4], [1, 1, 3], [-1, 1, 3]])
def test_slices_that_do_not_fit_the_values_are_refused(starts):
    state = _core.State(2)
    with pytest.raises(ValueError, match="starts must"):
        state.update_slices(np.ones(3), np.array(starts, np.int64))
    assert state == _core.State(2)
