"""Tests of sparse matrices by example; `test_laws.py` has the property tests."""

import numpy as np
import pytest
from scipy import sparse

from evenly import _core
from evenly.errors import DataError
from evenly.sklearn import StandardScaler


@pytest.fixture
def x():
    return sparse.csr_array(np.array([[0.0, 2.0, 0.0], [4.0, 2.0, 0.0]]))


def fit(x):
    return StandardScaler(with_mean=False).fit(x)


def test_sparse_counts_zeros_that_are_not_stored(x):
    scaler = fit(x)
    assert scaler.mean_.tolist() == [2, 2, 0]
    assert scaler.scale_.tolist() == [2, 1, 1]
    assert scaler.n_samples_seen_ == 2
    assert scaler.moments_.rows == 2


@pytest.mark.parametrize("container", [sparse.csc_array, sparse.coo_array, sparse.lil_array])
def test_sparse_formats_are_returned_as_csr(x, container):
    result = fit(container(x)).transform(container(x))
    assert result.format == "csr"
    assert result.toarray().tolist() == [[0, 2, 0], [2, 2, 0]]


def test_sparse_matrix_class_is_kept(x):
    x = sparse.csr_matrix(x)
    assert isinstance(fit(x).transform(x), sparse.csr_matrix)


def test_sparse_inverse_transform_undoes_transform(x):
    scaler = fit(x)
    assert scaler.inverse_transform(scaler.transform(x)).toarray().tolist() == x.toarray().tolist()


def test_copy_false_scales_sparse_in_place(x):
    assert fit(x).transform(x, copy=False) is x
    assert x.data.tolist() == [2, 2, 2]


def test_copy_true_shares_no_sparse_memory(x):
    result = fit(x).transform(x)
    for name in ("data", "indices", "indptr"):
        assert not np.shares_memory(getattr(result, name), getattr(x, name))


def test_sparse_integers_become_float64(x):
    assert fit(x.astype(np.int8)).transform(x.astype(np.int8)).dtype == np.float64


@pytest.mark.parametrize(
    ("method", "verb"), [("transform", "center"), ("inverse_transform", "uncenter")]
)
def test_centering_sparse_raises(x, method, verb):
    dense = StandardScaler().fit(x.toarray())
    with pytest.raises(ValueError, match=f"Cannot {verb} sparse matrices: pass `with_mean=False`"):
        getattr(dense, method)(x)
    with pytest.raises(ValueError, match="Cannot center sparse matrices"):
        StandardScaler().fit(x)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
def test_sparse_infinity_error_names_column_and_row(x, container):
    x.data[1] = np.inf
    with pytest.raises(DataError, match="infinity in column 0, row 1"):
        fit(container(x))
    x.data[1] = 4
    scaler = fit(x)
    x.data[1] = np.inf
    with pytest.raises(DataError, match="infinity in column 0, row 1"):
        scaler.transform(container(x))


def test_sparse_negative_weights_raise(x):
    with pytest.raises(DataError, match="Weights must be finite and not negative"):
        StandardScaler(with_mean=False).fit(x, sample_weight=[1, -1])


def test_partial_fit_of_dense_and_sparse_batches(x):
    scaler = fit(x).partial_fit(x.toarray())
    assert scaler.moments_ == fit(sparse.vstack([x, x]).tocsc()).moments_


def test_sparse_is_never_made_dense():
    """Ten million rows of a hundred thousand columns."""
    x = sparse.csr_array(([1.0, 3.0], ([0, 9_999_999], [5, 5])), shape=(10_000_000, 100_000))
    scaler = fit(x)
    assert scaler.mean_[5] == 4e-7
    assert scaler.transform(x).nnz == 2


@pytest.mark.parametrize("starts", [[], [0, 3], [0, 2, 1], [0, 1, 4], [1, 1, 3], [-1, 1, 3]])
def test_update_slices_rejects_invalid_starts(starts):
    state = _core.State(2)
    with pytest.raises(ValueError, match="starts must"):
        state.update_slices(np.ones(3), np.array(starts, np.int64))
    assert state == _core.State(2)
