"""Cases in which torch's batch norm is inaccurate on CPUs, and evenly's is accurate.

The errors of torch's layer are asserted, too, so that a test fails once torch fixes them; then
the documentation must change. Measured with torch 2.13.
"""

import pytest
import torch
from torch import nn

import evenly.torch

LAYERS = {
    2: (nn.BatchNorm1d, evenly.torch.BatchNorm1d),
    4: (nn.BatchNorm2d, evenly.torch.BatchNorm2d),
}
SHAPES = [(100, 10), (4096, 64), (65536, 16), (32, 64, 28, 28)]
OFFSETS = [0.0, 1e3, 1e5, 1e6, 1e7]
EPS = 1e-5
TOLERANCE = 1e-6
"""The documented maximum error, in standard deviations."""


def random_batch(shape, offset):
    """Return float32 numbers around an offset, with a standard deviation of about 1."""
    torch.manual_seed(len(shape))
    return offset + torch.randn(shape)


def timestamps(rows):
    """Return a day of Unix times in float32, whose resolution is 128 seconds."""
    torch.manual_seed(0)
    return (1.7e9 + 86_400 * torch.rand(rows, 1, dtype=torch.float64)).float()


def exact(x, eps=EPS):
    """Return the layer's output, computed from centered values in float64."""
    axes = [0, *range(2, x.ndim)]
    wide = x.double()
    wide = wide - wide.mean(axes, keepdim=True)
    wide = wide - wide.mean(axes, keepdim=True)
    return wide / (wide.square().mean(axes, keepdim=True) + eps).sqrt()


def training_errors(x):
    """Return the maximum errors of torch's layer and evenly's in training."""
    expected = exact(x)
    return [
        (layer(x.shape[1], affine=False)(x).double() - expected).abs().max().item()
        for layer in LAYERS[x.ndim]
    ]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_is_accurate_at_any_offset(shape, offset):
    _, ours = training_errors(random_batch(shape, offset))
    assert ours <= TOLERANCE


@pytest.mark.parametrize(
    ("shape", "offset", "at_least"),
    [
        ((4096, 64), 1e6, 0.5),
        ((65536, 16), 1e5, 1.0),
        ((65536, 16), 1e7, 0.5),
        ((32, 64, 28, 28), 1e6, 1e-3),
    ],
    ids=str,
)
def test_torchs_training_is_inaccurate_at_large_offsets(shape, offset, at_least):
    """torch sums the rows of N×C batches in float32 (related: pytorch #5410)."""
    torchs, ours = training_errors(random_batch(shape, offset))
    assert torchs > at_least
    assert ours <= TOLERANCE


def test_training_on_timestamps_is_accurate():
    torchs, ours = training_errors(timestamps(65536))
    assert torchs > 1
    assert ours <= TOLERANCE


def test_running_variance_is_accurate_at_an_offset():
    """torch's variance includes the square of its mean's error."""
    x = random_batch((65536, 16), 1e5)
    torchs, ours = (layer(16, momentum=1.0) for layer in LAYERS[2])
    torchs(x)
    ours(x)
    expected = x.double().var(0)
    assert (torchs.running_var / expected).max() > 100
    torch.testing.assert_close(ours.running_var, expected.float())
    torch.testing.assert_close(ours.running_mean, x.double().mean(0).float(), rtol=0, atol=0)


@pytest.mark.parametrize(("offset", "at_least"), [(1e5, 1e-3), (1e6, 1e-2), (1e7, 0.1)])
def test_evaluation_is_accurate_for_stored_statistics(offset, at_least):
    """torch's CPU kernel computes x * a + b in float32, with cancellation."""
    x = random_batch((4096, 64), offset)
    mean, variance = x.double().mean(0).float(), x.double().var(0).float()
    expected = (x.double() - mean.double()) / (variance.double() + EPS).sqrt()
    errors = []
    for layer in LAYERS[2]:
        layer = layer(64, affine=False).eval()
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)
        errors.append((layer(x).double() - expected).abs().max().item())
    torchs, ours = errors
    assert torchs > at_least
    assert ours <= TOLERANCE


@pytest.mark.parametrize(
    ("x", "at_least"),
    [
        (random_batch((4096, 8), 1e6), 0.1),
        (random_batch((4096, 8), 1e7), 1),
        (timestamps(4096), 1e-2),
    ],
    ids=["1e6", "1e7", "timestamps"],
)
def test_gradients_are_accurate_at_large_offsets(x, at_least):
    """The errors are relative to the largest gradient."""
    torch.manual_seed(1)
    dy = torch.randn(x.shape)
    shifted = x.double() - x.double().mean(0)
    expected = gradients(nn.BatchNorm1d(x.shape[1], dtype=torch.float64), shifted, dy.double())
    torchs, ours = (
        max(
            ((actual - exact).abs().max() / exact.abs().max()).item()
            for actual, exact in zip(gradients(layer(x.shape[1]), x, dy), expected, strict=True)
        )
        for layer in LAYERS[2]
    )
    assert torchs > at_least
    assert ours <= 1e-5


def gradients(layer, x, dy):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(layer(x), [x, layer.weight, layer.bias], dy)


def test_bias_before_the_layer_has_zero_gradient():
    """The layer subtracts a bias, so its gradient is 0; torch's is noise at an offset."""
    x = random_batch((4096, 8), 1e6)
    dy = torch.randn(x.shape)
    ratios = []
    for layer in LAYERS[2]:
        dx, *_ = gradients(layer(8), x, dy)
        ratios.append((dx.double().sum(0).abs() / dx.double().abs().sum(0)).max().item())
    torchs, ours = ratios
    assert torchs > 1e-3
    assert ours < 1e-6


def test_gradient_of_any_memory_layout():
    """torch's CPU kernel mistakes a transposed gradient for channels-last, and x, too."""
    x = torch.randn(1, 31, 1, 7)
    dy = torch.randn(7, 31, 1, 1).transpose(0, -1)
    torchs, ours = (gradients(layer(31), x, dy) for layer in LAYERS[4])
    expected = gradients(nn.BatchNorm2d(31), x, dy.contiguous())
    assert (torchs[2] - dy.sum((0, 2, 3))).abs().max() > 1
    torch.testing.assert_close(ours, expected)


def test_constant_channel_becomes_the_bias():
    """torch returns ±1 (pytorch #5410)."""
    x = torch.full((1_000_000, 1), 1234567.1)
    torchs, ours = (layer(1) for layer in LAYERS[2])
    assert torchs(x)[0].abs().item() > 0.9  # 0.996 or 0.9975, depending on the number of threads
    assert (ours(x) == 0).all()
    nn.init.constant_(ours.bias, 0.25)
    assert (ours(x) == 0.25).all()


def test_values_whose_squares_overflow_float32_are_normalized():
    """pytorch #178123."""
    x = torch.tensor([[-1e30], [1e30], [-1e30], [1e30]])
    torchs, ours = (layer(1) for layer in LAYERS[2])
    assert (torchs(x) == 0).all()
    torch.testing.assert_close(ours(x), x / 1e30)
    # The float32 buffer, which torch's layer also has, cannot hold 1e60.
    assert torchs.running_var.isinf()
    assert ours.running_var.isinf()
    assert ours.running_mean == 0


def test_gradients_whose_sum_overflows_float32_are_not_nan():
    x = torch.zeros(64, 4, requires_grad=True)
    y = evenly.torch.BatchNorm1d(4, eps=1.0, affine=False)(x)
    (dx,) = torch.autograd.grad(y, x, torch.full((64, 4), 3e38))
    assert (dx.abs() <= 1e-6 * 3e38).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_accurate_to_its_rounding(dtype):
    x = random_batch((65536, 4), 200.0).to(dtype)
    y = evenly.torch.BatchNorm1d(4, affine=False, dtype=dtype)(x)
    torch.testing.assert_close(y, exact(x).to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
