"""Tests of `Normalize`: exact statistics, and results within a few ulp."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import evenly
import oracle
import strategies
from evenly import ColumnError, DataError, Moments
from evenly.torch import Denormalize, Normalize

# Drawn data may be near the limits of float64.
pytestmark = pytest.mark.filterwarnings("ignore:The buffers of a layer are float64:UserWarning")

TYPES = ("float64", "float32", "float16", "int8", "int32", "int64", "uint8", "bool")
ROWS = torch.tensor([[1.0, 10.0, 5.0], [2.0, 30.0, 5.0], [6.0, 80.0, 5.0]])


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def random_rows(shape, seed=0):
    """Return random numbers far from 0."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1e6


# Laws


@given(st.data())
def test_learning_from_any_batches_equals_fit(data):
    array = data.draw(strategies.arrays(TYPES, min_rows=1))
    layer = Normalize(array.shape[1])
    for start, stop in data.draw(strategies.splits(len(array))):
        layer(tensor(array[start:stop]))
    expected = evenly.fit(array)
    assert layer.moments == expected
    assert layer.moments.to_bytes() == _without_sources(expected).to_bytes()


def _without_sources(moments):
    moments = moments.copy()
    moments.sources = ()
    return moments


@given(strategies.arrays(("float64", "float32"), min_rows=1, missing=False), st.integers(0, 2))
def test_buffers_after_learning_equal_those_from_moments(array, correction):
    learned = Normalize(array.shape[1], correction=correction)
    learned(tensor(array))
    other = Normalize(array.shape[1], correction=correction)
    other.moments = evenly.fit(array)
    for name in ("hi", "lo", "scale"):
        assert torch.equal(getattr(learned, name), getattr(other, name))


@given(strategies.arrays(("float64", "float32"), min_rows=1))
@example(np.array([[0.0], [5e-324]]))
def test_state_dict_restores_every_bit(array):
    layer = Normalize(array.shape[1])
    layer(tensor(array))
    fresh = Normalize(array.shape[1])
    fresh.load_state_dict(layer.state_dict())
    assert fresh.moments.to_bytes() == layer.moments.to_bytes()
    assert torch.equal(fresh.eval()(tensor(array)).isnan(), layer.eval()(tensor(array)).isnan())
    for one, two in zip(fresh.buffers(), layer.buffers(), strict=True):
        assert torch.equal(one, two)


@given(
    st.sampled_from([0.0, 1e3, -1e5, 1e6, 1e9]),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.integers(0, 2**32 - 1),
)
def test_inverse_undoes_normalize(offset, spread, seed):
    x = tensor(np.random.default_rng(seed).normal(offset, spread, (20, 3)))
    layer = Normalize.fit(x)
    back = layer.inverse()(layer(x))
    torch.testing.assert_close(back, x, rtol=4e-16, atol=4e-16 * spread)


@pytest.mark.parametrize("offset", [0, 1e3, 1e5, 1e6, 1e7, 1.7e9])
@pytest.mark.parametrize("mode", ["learning", "frozen", "tracked"])
def test_output_is_accurate_at_any_offset(offset, mode):
    """torch's BatchNorm1d is 4.8 standard deviations off at 1e7, and 1e-3 at 1e5 (peers.md)."""
    x = (random_rows((4096, 4)) - 1e6) * (128 if offset > 1e8 else 1) + offset
    layer = Normalize(4)
    y = layer(x) if mode == "learning" else Normalize.fit(x)(x.requires_grad_(mode == "tracked"))
    x, y = x.detach(), y.detach()
    exact = oracle.columns(x.numpy())
    for i, column in enumerate(exact):
        std = oracle.rounded_root(column.variance())
        for row in range(0, 4096, 64):
            true = float((Fraction(float(x[row, i])) - column.mean()) / Fraction(std))
            assert abs(float(y[row, i]) - true) <= 2.0**-22 * max(1, abs(true))


# Learning


def test_learning_includes_current_batch_in_statistics():
    layer = Normalize(3)
    layer(ROWS[:2])
    y = layer(ROWS[2:])
    torch.testing.assert_close(y, layer.moments.normalize(ROWS[2:]))


@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("constant", ["zero", "center", "error"])
def test_first_batch_of_one_row_becomes_zero(correction, constant):
    layer = Normalize(3, correction=correction, constant=constant)
    assert torch.equal(layer(ROWS[:1]), torch.zeros(1, 3))
    assert layer.moments.rows == 1


def test_empty_batch_does_not_change_statistics():
    layer = Normalize(3)
    assert layer(ROWS[:0]).shape == (0, 3)
    assert layer.moments.rows == 0


def test_feature_without_values_is_nan_in_learning_and_zero_in_evaluation():
    layer = Normalize(2)
    y = layer(torch.tensor([[1.0, torch.nan], [2.0, torch.nan]]))
    assert y[:, 1].isnan().all()
    assert torch.equal(layer.eval()(torch.tensor([[1.0, 9.0]])), torch.tensor([[-1.0, 0.0]]))


def test_evaluation_does_not_change_statistics():
    layer = Normalize.fit(ROWS).unfreeze().eval()
    layer(ROWS)
    assert layer.moments == evenly.fit(ROWS)


def test_frozen_survives_train_and_unfreeze_continues_learning():
    layer = Normalize(3)
    layer(ROWS)
    layer.freeze().train()
    layer(ROWS)
    assert layer.moments.rows == 3
    layer.unfreeze()(ROWS)
    assert layer.moments == evenly.fit(torch.cat([ROWS, ROWS]))


def test_infinity_raises_and_does_not_change_statistics():
    layer = Normalize(3)
    layer(ROWS)
    bad = ROWS.clone()
    bad[1, 2] = torch.inf
    with pytest.raises(DataError, match=r"must be finite. Received: infinity in column 2, row 1"):
        layer(bad)
    assert layer.moments == evenly.fit(ROWS)


def test_infinite_missing_counts_infinities_as_missing():
    layer = Normalize(1, infinite="missing")
    y = layer(torch.tensor([[1.0], [3.0], [torch.inf]]))
    assert torch.equal(y, torch.tensor([[-1.0], [1.0], [torch.inf]]))
    assert layer.moments.missing[0] == 1


def test_activation_checkpointing_learns_each_batch_once():
    for reentrant in (True, False):
        model = nn.Sequential(Normalize(3), nn.Linear(3, 1))
        x = ROWS.clone().requires_grad_()
        checkpoint(model, x, use_reentrant=reentrant).sum().backward()
        assert model[0].moments == evenly.fit(ROWS)


def test_two_forward_passes_before_backward():
    layer = Normalize(3)
    first, second = (ROWS[i : i + 2].clone().requires_grad_() for i in (0, 1))
    y = layer(first)
    scale = layer.scale.clone()
    (y.sum() + layer(second).sum()).backward()
    torch.testing.assert_close(first.grad, scale.float().expand(2, 3))


def test_data_parallel_replicas_update_one_layer():
    layer = Normalize(3)
    replicas = [layer._replicate_for_data_parallel() for _ in range(2)]
    replicas[0](ROWS[:2])
    replicas[1](ROWS[2:])
    assert layer.moments == evenly.fit(ROWS)
    torch.testing.assert_close(layer.eval()(ROWS), Normalize.fit(ROWS)(ROWS))


# Fitting


def test_fit_reads_data_loader_with_select():
    loader = DataLoader(TensorDataset(ROWS, torch.arange(3)), batch_size=2)
    layer = Normalize.fit(loader, select=0)
    assert layer.frozen
    assert layer.moments == evenly.fit(ROWS)


def test_fit_selects_columns_of_frame():
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 3.0], "b": [0.0, 1.0], "c": [2.0, 6.0]})
    layer = Normalize.fit(frame, columns=["c", "a"])
    assert layer.moments.columns == ("c", "a")
    assert torch.equal(layer(torch.tensor([[6.0, 1.0]])), torch.tensor([[1.0, -1.0]]))
    with pytest.raises(ColumnError):
        Normalize.fit(frame, columns=["d"])


def test_normalize_in_data_loader_workers():
    layer = Normalize.fit(ROWS)
    result = torch.cat(list(DataLoader(_Normalized(layer), batch_size=2, num_workers=2)))
    assert torch.equal(result, layer(ROWS))


class _Normalized(torch.utils.data.Dataset):
    def __init__(self, layer):
        self.layer = layer

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, row):
        return self.layer(ROWS[row : row + 1])[0]


def test_fit_reads_csv_with_options(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "x.csv").write_text("a;b\n1,5;?\n3,5;2\n")
    csv = {"decimal": ",", "missing": ["?"]}
    layer = Normalize.fit(tmp_path / "x.csv", csv=csv, feature_axis=-1)
    assert layer.moments == evenly.fit(tmp_path / "x.csv", csv=csv)


def test_fit_from_moments_and_freeze_check_statistics():
    with pytest.raises(
        DataError, match=r"at least one value per column. Received: no value in column 1"
    ):
        Normalize.fit(torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(DataError, match=r"more values per column than correction=1"):
        Normalize.from_moments(evenly.fit(ROWS[:1]), correction=1)
    layer = Normalize(3, constant="error")
    layer(ROWS)
    with pytest.raises(
        DataError, match=r"no column may be constant. Received: a variance of exactly 0 in column 2"
    ):
        layer.freeze()
    assert not layer.frozen
    with pytest.raises(DataError, match=r"no column may be constant"):
        layer.eval()(ROWS)
    with pytest.raises(DataError, match=r"at least one value per column"):
        Normalize(3).freeze()


def test_moments_is_a_copy_and_can_be_assigned():
    layer = Normalize(3)
    layer(ROWS[:1])
    layer.moments.update(ROWS)
    assert layer.moments.rows == 1
    layer.moments = evenly.merge([layer.moments, evenly.fit(ROWS[1:])])
    assert torch.equal(layer.eval()(ROWS), Normalize.fit(ROWS)(ROWS))
    layer.moments = Moments.empty(3)
    assert layer.moments.rows == 0
    with pytest.raises(DataError, match=r"must have 3 columns.*Received: 2"):
        layer.moments = Moments.empty(2)


# Shapes and types


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64], ids=str)
def test_unsigned_integers_are_learned_and_normalized(dtype):
    """PyTorch has few operations for those of more than 8 bits, which 16-bit images have."""
    x = ROWS.to(dtype)
    layer = Normalize.fit(x)
    expected = Normalize.fit(ROWS)(ROWS)
    assert torch.equal(layer(x), expected)
    learned = Normalize(3)
    learned(x)
    assert torch.equal(learned.eval()(x), expected)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.complex64], ids=str)
def test_numbers_without_operations_are_refused(dtype):
    for layer in (Normalize(3), Normalize.fit(ROWS)):
        with pytest.raises(DataError, match=rf"dense tensor of integers.*Received: {dtype}"):
            layer(ROWS.to(dtype))


@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 3), 1), ((4, 3, 5), 1), ((4, 3, 2, 2), 1), ((4, 5, 3), -1), ((3,), -1)]
)
def test_feature_axis(shape, axis):
    x = random_rows(shape)
    layer = Normalize(3, feature_axis=axis)
    y = layer(x)
    assert y.shape == x.shape
    rows = x.movedim(axis, -1).reshape(-1, 3)
    assert layer.moments == evenly.fit(rows)
    torch.testing.assert_close(y.movedim(axis, -1).reshape(-1, 3), layer.moments.normalize(rows))
    gradient = Normalize.from_moments(layer.moments, feature_axis=axis)(x.requires_grad_())
    assert torch.equal(gradient, y)


def test_channels_last_format_is_kept():
    x = random_rows((2, 3, 4, 4)).to(memory_format=torch.channels_last)
    y = Normalize(3)(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, Normalize(3)(x.contiguous()))


@pytest.mark.parametrize("name", ["uint8", "int16", "int64", "bool"])
def test_integers_become_default_dtype(name):
    x = torch.tensor([[0], [1], [1]]).to(getattr(torch, name))
    assert Normalize(1)(x).dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert Normalize(1)(x).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    x = (random_rows((50, 3)) - 1e6 + 100).to(dtype)
    layer = Normalize(3)
    wide = Normalize.fit(x.double())(x.double()).to(dtype)
    assert torch.equal(layer(x), wide)
    assert torch.equal(layer.freeze()(x.requires_grad_()), wide)


@pytest.mark.parametrize("tracked", [False, True])
def test_missing_keep_and_zero(tracked):
    x = torch.tensor([[1.0], [torch.nan], [3.0]], requires_grad=tracked)
    keep, zero = Normalize.fit(x.detach()), Normalize.fit(x.detach(), missing="zero")
    assert keep(x).isnan().flatten().tolist() == [False, True, False]
    y = zero(x)
    assert y.flatten().tolist() == [-1.0, 0.0, 1.0]
    if tracked:
        y.sum().backward()
        assert x.grad.isfinite().all()


def test_constant_feature_becomes_zero_and_is_restored():
    x = torch.full((1000, 1), 1234567.1)
    layer = Normalize(1)
    assert torch.equal(layer(x), torch.zeros(1000, 1))
    assert torch.equal(layer.inverse()(layer(x)), x)


def test_constant_center_subtracts_the_mean():
    layer = Normalize.fit(ROWS, constant="center")
    assert layer(torch.tensor([[1.0, 10.0, 7.0]]))[0, 2] == 2.0
    assert layer.inverse()(torch.tensor([[0.0, 0.0, 2.0]]))[0, 2] == 7.0


def test_columns_near_the_limits_of_float64():
    x = torch.tensor([[1e308, 1e-300], [-1e308, 3e-300]], dtype=torch.float64)
    layer = Normalize.fit(x)
    torch.testing.assert_close(layer(x).abs(), torch.ones(2, 2, dtype=torch.float64))
    torch.testing.assert_close(layer.inverse()(layer(x)), x, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    ("x", "method", "message"),
    [
        ([[1.0], [3.0]], "standard", "spread is below 2\\*\\*-1024 is too small. .* column 1"),
        ([[1.0], [3.0]], "maxabs", "spread is below 2\\*\\*-1024 is too small"),
        ([[-1.7e308], [1.7e308]], "minmax", "farther than 2\\*\\*1024 from the center become inf"),
    ],
)
def test_features_beyond_the_limits_of_float64_buffers_are_warned_about(x, method, message):
    rows = torch.tensor(x, dtype=torch.float64)
    rows = torch.cat([torch.tensor([[2.0], [4.0]]), rows if rows.max() > 3 else rows * 1e-320], 1)
    moments = evenly.fit(rows)
    with pytest.warns(UserWarning, match=message):
        Normalize.from_moments(moments, method=method)
    with pytest.warns(UserWarning, match=message):
        Normalize(2, method=method)(rows)
    assert np.isfinite(moments.normalize(rows.numpy(), method=method)).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 4), r"3 features along axis 1. Received: shape \(3, 4\)"),
        (torch.zeros(3), r"Received: shape \(3,\). Pass a single row as x\[None, :\]"),
        (torch.tensor(1.0), r"Received: shape \(\)"),
        (torch.zeros(2, 3, dtype=torch.complex64), r"Received: torch.complex64"),
        (torch.zeros(2, 3).to_sparse(), r"Received: torch.float32, torch.sparse_coo"),
    ],
)
@pytest.mark.parametrize(
    "layer", [Normalize(3), Normalize.fit(ROWS), Normalize.fit(ROWS).inverse()]
)
def test_input_of_wrong_shape_or_dtype_raises(layer, x, message):
    with pytest.raises(DataError, match=message):
        layer(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_features": 0}, "num_features must be an integer, 1 or more. Received: 0"),
        ({"num_features": 2.0}, "num_features must be an integer"),
        ({"constant": "drop"}, "constant must be one of .* Received: 'drop'"),
        ({"missing": "mean"}, "missing must be 'keep' or 'zero'. Received: 'mean'"),
        ({"infinite": "keep"}, "infinite must be 'error' or 'missing'. Received: 'keep'"),
        ({"correction": -1}, "correction must be a finite number, 0 or more. Received: -1"),
    ],
)
def test_invalid_options_raise(arguments, message):
    with pytest.raises(DataError, match=message):
        Normalize(**{"num_features": 3, **arguments})


@pytest.mark.parametrize("layer", [Normalize(3), Denormalize(3)])
def test_evaluation_without_statistics_raises(layer):
    with pytest.raises(DataError, match=r"needs statistics.*Received: no rows yet. Train it"):
        layer.eval()(ROWS)


def test_repr_lists_changed_options():
    assert repr(Normalize(3)) == "Normalize(3)"
    layer = Normalize.fit(ROWS, correction=1, missing="zero")
    assert repr(layer) == "Normalize(3, correction=1, missing='zero', frozen)"


# Copies


def test_copies_and_pickles_have_separate_statistics():
    layer = Normalize(3)
    layer(ROWS[:2])
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.moments == layer.moments
        other(ROWS[2:])
        assert other.moments == evenly.fit(ROWS)
        assert layer.moments.rows == 2
