"""Tests of running statistics: requests of torch's users, and evenly's options for them.

Each test also asserts the behavior of torch's layer, so that it fails once torch changes it.
Numbers like #1206 are issues of pytorch/pytorch.
"""

import math

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import evenly
import evenly.torch
from evenly.torch import BatchNorm1d, BatchNorm2d, Normalize


def batches(count, rows=32):
    """Return batches around 3 with a standard deviation of 2."""
    random = torch.Generator().manual_seed(0)
    return [3 + 2 * torch.randn(rows, 2, generator=random) for _ in range(count)]


def state(layer):
    return [value.clone() for value in layer.state_dict().values()]


def same(first, second):
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)


# Non-finite values


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_skip_keeps_running_statistics(value):
    """#1206, #90342: torch's layer does not recover, even after a hundred clean batches."""
    torchs, ours = nn.BatchNorm1d(2), BatchNorm1d(2, non_finite="skip")
    clean = BatchNorm1d(2)
    invalid = batches(1)[0]
    invalid[3, 1] = value
    for layer in (torchs, ours):
        layer(invalid)
    for batch in batches(100):
        for layer in (torchs, ours, clean):
            layer(batch)
    assert not torchs.running_mean[1].isfinite()
    assert torchs.running_var[1].isnan()
    same(state(ours), state(clean))
    assert ours.skipped == 1
    assert not ours.eval()(batches(1)[0]).isnan().any()


def test_non_finite_skip_skips_batch_that_overflows_buffers():
    """#178123: its variance is finite in float64, but overflows the float32 buffers."""
    layer = BatchNorm1d(1, non_finite="skip")
    y = layer(torch.tensor([[-1e30], [1e30]]))
    same(y.detach(), torch.tensor([[-1.0], [1.0]]))
    assert layer.running_var == 1
    assert layer.skipped == 1


def test_non_finite_values_propagate_by_default_as_in_torch():
    invalid = torch.tensor([[1.0, math.nan], [2.0, 3.0]])
    torchs, ours = nn.BatchNorm1d(2), BatchNorm1d(2)
    torchs(invalid)
    ours(invalid)
    same(state(ours), state(torchs))


# Batches of different sizes


def test_cumulative_average_has_equal_weights_as_in_torch():
    """momentum=None works as in torch; the next test shows an average over rows."""
    torchs, ours = nn.BatchNorm1d(2, momentum=None), BatchNorm1d(2, momentum=None)
    unequal = [batches(1, 100)[0], 10 + batches(1, 10)[0]]
    for batch in unequal:
        torchs(batch)
        ours(batch)
    torch.testing.assert_close(state(ours), state(torchs))
    rows = torch.cat(unequal).double()
    assert (torchs.running_mean - rows.mean(0)).abs().min() > 3
    assert (torchs.running_var / rows.var(0)).max() < 0.5


def test_normalize_has_the_statistics_of_all_rows():
    unequal = [batches(1, 100)[0], 10 + batches(1, 10)[0]]
    layer = Normalize(2)
    for batch in unequal:
        layer(batch)
    assert layer.moments == evenly.fit(torch.cat(unequal))


# Padding


def test_mask_and_lengths_exclude_padding():
    """#70529, #25910, #30414: torch's layer has no mask."""
    torch.manual_seed(0)
    lengths = torch.tensor([7, 2, 5, 1])
    x = 3 + torch.randn(4, 2, 7)
    counts = torch.arange(7) < lengths[:, None]
    rows = x.movedim(1, 2)[counts]
    x = torch.where(counts[:, None], x, math.nan)  # padding can have any value
    with pytest.raises(TypeError, match="mask"):
        nn.BatchNorm1d(2)(x, mask=counts)
    for padding in ({"mask": counts}, {"lengths": lengths}):
        layer, alone = BatchNorm1d(2), BatchNorm1d(2)
        y = layer(x.requires_grad_(), **padding)
        torch.testing.assert_close(y.movedim(1, 2)[counts], alone(rows))
        assert (y.movedim(1, 2)[~counts] == 0).all()
        torch.testing.assert_close(state(layer), state(alone))
        (gradient,) = torch.autograd.grad(y.square().sum() + y.pow(3).sum(), x)
        assert (gradient.movedim(1, 2)[~counts] == 0).all()
        x = x.detach()


def test_zero_padding_changes_torchs_statistics():
    x = torch.cat([torch.full((1, 2, 5), 3.0), torch.zeros(1, 2, 5)], dim=2)
    torchs, ours = nn.BatchNorm1d(2, momentum=1.0), BatchNorm1d(2, momentum=1.0)
    torchs(x)
    ours(x, lengths=torch.tensor([5]))
    assert (torchs.running_mean == 1.5).all()
    assert (ours.running_mean == 3).all()
    assert (ours.running_var == 0).all()


# Freezing


@pytest.mark.parametrize("frozen", ["eval", "requires_grad_"])
def test_torchs_layer_does_not_stay_frozen(frozen):
    """#86590: according to its author, wrong results were published because of this."""
    layer = nn.BatchNorm1d(2)
    layer.eval() if frozen == "eval" else layer.requires_grad_(False)
    nn.Sequential(layer).train()(batches(1)[0])
    assert (layer.running_mean != 0).all()


def test_frozen_layer_survives_train():
    layer, other = BatchNorm1d(2), nn.BatchNorm1d(2)
    for batch in batches(5):
        layer(batch)
    before = state(layer)
    other.load_state_dict(layer.state_dict())
    model = nn.Sequential(layer.freeze()).train()
    x = batches(1, 7)[0]
    torch.testing.assert_close(model(x), other.eval()(x))
    same(state(layer), before)
    layer.unfreeze()
    model(x)
    assert layer.num_batches_tracked == 6


# Updates per step and per batch


def step(layer, batches):
    """Take one optimizer step with gradients accumulated over batches."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    for batch in batches:
        layer(batch).square().sum().backward()
    optimizer.step()


def test_update_step_with_gradient_accumulation_updates_once():
    """#46516: torch updates its running statistics with each batch."""
    rows = torch.cat(batches(4))
    torchs, ours, single = nn.BatchNorm1d(2), BatchNorm1d(2, update="step"), BatchNorm1d(2)
    accumulated = rows.split([60, 20, 40, 8])
    for layer in (torchs, ours):
        step(layer, accumulated)
    step(single, [rows])
    assert torchs.num_batches_tracked == 4
    assert (torchs.running_mean > 2 * single.running_mean).all()
    torch.testing.assert_close(state(ours), state(single))
    assert ours.num_batches_tracked == 1


@pytest.mark.parametrize("reentrant", [True, False])
def test_update_batch_with_activation_checkpointing_updates_once(reentrant):
    """#96136: torch's layer counts each batch twice."""
    torchs, ours, plain = nn.BatchNorm1d(2), BatchNorm1d(2, update="batch"), BatchNorm1d(2)
    for batch in batches(3):
        for layer in (torchs, ours):
            checkpoint(layer, batch.requires_grad_(), use_reentrant=reentrant).sum().backward()
        plain(batch)
    assert torchs.num_batches_tracked == 6
    same(state(ours)[2:], state(plain)[2:])


def test_update_step_with_activation_checkpointing_counts_rows_once():
    rows = torch.cat(batches(2))
    ours, single = BatchNorm1d(2, update="step"), BatchNorm1d(2)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.0)
    for batch in rows.split(16):
        checkpoint(ours, batch.requires_grad_(), use_reentrant=False).sum().backward()
    optimizer.step()
    single(rows)
    torch.testing.assert_close(state(ours)[2:], state(single)[2:])


# A single value per channel


@pytest.mark.parametrize(
    ("torchs", "ours", "shape"),
    [(nn.BatchNorm1d, BatchNorm1d, (1, 2)), (nn.BatchNorm2d, BatchNorm2d, (1, 2, 1, 1))],
)
def test_single_running_accepts_last_batch_of_one(torchs, ours, shape):
    """#4534: torch's layer fails in the last batch of an epoch."""
    x = torch.full(shape, 5.0)
    message = r"Expected more than 1 value per channel when training, got input size torch\.Size"
    for layer in (torchs(2), ours(2)):
        with pytest.raises(ValueError, match=message):
            layer(x)
    layer = ours(2, single="running")
    before = state(layer)
    torch.testing.assert_close(layer(x), layer.eval()(x))
    same(state(layer), before)
