"""Numbers that torch's batch norm gets wrong on CPUs, and evenly's right.

That torch's layer is wrong is asserted too, so that we notice when it is mended: then the
documents must change. Measured with torch 2.13.
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
WITHIN = 1e-6
"""What is promised: so many standard deviations."""


def drawn(shape, offset):
    """Float32 numbers around an offset, with a standard deviation of about 1."""
    torch.manual_seed(len(shape))
    return offset + torch.randn(shape)


def timestamps(rows):
    """A day of Unix time in float32, which keeps 128 seconds."""
    torch.manual_seed(0)
    return (1.7e9 + 86_400 * torch.rand(rows, 1, dtype=torch.float64)).float()


def exact(x, eps=EPS):
    """The layer's output by its formula in float64, after a shift that costs no digits."""
    axes = [0, *range(2, x.ndim)]
    wide = x.double()
    wide = wide - wide.mean(axes, keepdim=True)
    wide = wide - wide.mean(axes, keepdim=True)
    return wide / (wide.square().mean(axes, keepdim=True) + eps).sqrt()


def training_errors(x):
    """How far the outputs of torch's layer and ours are from the exact one, in training."""
    wanted = exact(x)
    return [
        (layer(x.shape[1], affine=False)(x).double() - wanted).abs().max().item()
        for layer in LAYERS[x.ndim]
    ]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_is_right_at_any_offset(shape, offset):
    _, ours = training_errors(drawn(shape, offset))
    assert ours <= WITHIN


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
def test_torchs_training_is_wrong_at_large_offsets(shape, offset, at_least):
    """N×C rows are added up in float32 (related: pytorch #5410)."""
    torchs, ours = training_errors(drawn(shape, offset))
    assert torchs > at_least
    assert ours <= WITHIN


def test_a_column_of_timestamps_is_right():
    torchs, ours = training_errors(timestamps(65536))
    assert torchs > 1
    assert ours <= WITHIN


def test_the_running_variance_is_right_at_an_offset():
    """Torch's variance takes up the square of its mean's error."""
    x = drawn((65536, 16), 1e5)
    torchs, ours = (layer(16, momentum=1.0) for layer in LAYERS[2])
    torchs(x)
    ours(x)
    wanted = x.double().var(0)
    assert (torchs.running_var / wanted).max() > 100
    torch.testing.assert_close(ours.running_var, wanted.float())
    torch.testing.assert_close(ours.running_mean, x.double().mean(0).float(), rtol=0, atol=0)


@pytest.mark.parametrize(("offset", "at_least"), [(1e5, 1e-3), (1e6, 1e-2), (1e7, 0.1)])
def test_evaluation_is_right_for_the_statistics_as_they_are_stored(offset, at_least):
    """Torch's CPU kernel computes x * a + b in float32, which cancels."""
    x = drawn((4096, 64), offset)
    mean, variance = x.double().mean(0).float(), x.double().var(0).float()
    wanted = (x.double() - mean.double()) / (variance.double() + EPS).sqrt()
    errors = []
    for layer in LAYERS[2]:
        layer = layer(64, affine=False).eval()
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)
        errors.append((layer(x).double() - wanted).abs().max().item())
    torchs, ours = errors
    assert torchs > at_least
    assert ours <= WITHIN


@pytest.mark.parametrize(
    ("x", "at_least"),
    [(drawn((4096, 8), 1e6), 0.1), (drawn((4096, 8), 1e7), 1), (timestamps(4096), 1e-2)],
    ids=["1e6", "1e7", "timestamps"],
)
def test_gradients_are_right_at_large_offsets(x, at_least):
    """Relative to the largest: the gradient of the input, and that of the weight."""
    torch.manual_seed(1)
    dy = torch.randn(x.shape)
    shifted = x.double() - x.double().mean(0)
    wanted = gradients(nn.BatchNorm1d(x.shape[1], dtype=torch.float64), shifted, dy.double())
    torchs, ours = (
        max(
            ((found - right).abs().max() / right.abs().max()).item()
            for found, right in zip(gradients(layer(x.shape[1]), x, dy), wanted, strict=True)
        )
        for layer in LAYERS[2]
    )
    assert torchs > at_least
    assert ours <= 1e-5


def gradients(layer, x, dy):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(layer(x), [x, layer.weight, layer.bias], dy)


def test_a_bias_before_the_layer_gets_no_gradient():
    """The layer takes a bias away again, so its gradient is 0; torch's is noise at an offset."""
    x = drawn((4096, 8), 1e6)
    dy = torch.randn(x.shape)
    shares = []
    for layer in LAYERS[2]:
        dx, *_ = gradients(layer(8), x, dy)
        shares.append((dx.double().sum(0).abs() / dx.double().abs().sum(0)).max().item())
    torchs, ours = shares
    assert torchs > 1e-3
    assert ours < 1e-6


def test_a_gradient_may_lie_in_memory_as_it_likes():
    """Torch's CPU kernel takes a transposed gradient for channels-last, and reads x so, too."""
    x = torch.randn(1, 31, 1, 7)
    dy = torch.randn(7, 31, 1, 1).transpose(0, -1)
    torchs, ours = (gradients(layer(31), x, dy) for layer in LAYERS[4])
    wanted = gradients(nn.BatchNorm2d(31), x, dy.contiguous())
    assert (torchs[2] - dy.sum((0, 2, 3))).abs().max() > 1
    torch.testing.assert_close(ours, wanted)


def test_a_constant_channel_is_exactly_the_bias():
    """pytorch #5410: ±1 came out."""
    x = torch.full((1_000_000, 1), 1234567.1)
    torchs, ours = (layer(1) for layer in LAYERS[2])
    assert torchs(x)[0].abs().item() > 0.9  # 0.996 or 0.9975, by how many threads add
    assert (ours(x) == 0).all()
    nn.init.constant_(ours.bias, 0.25)
    assert (ours(x) == 0.25).all()


def test_a_variance_beyond_float32_is_no_infinity():
    """pytorch #178123: 1e30 is a float32, its square is not."""
    x = torch.tensor([[-1e30], [1e30], [-1e30], [1e30]])
    torchs, ours = (layer(1) for layer in LAYERS[2])
    assert (torchs(x) == 0).all()
    torch.testing.assert_close(ours(x), x / 1e30)
    # The buffer is torch's, in float32, and has no room for 1e60.
    assert torchs.running_var.isinf()
    assert ours.running_var.isinf()
    assert ours.running_mean == 0


def test_gradients_whose_sum_is_beyond_float32_are_no_nan():
    x = torch.zeros(64, 4, requires_grad=True)
    y = evenly.torch.BatchNorm1d(4, eps=1.0, affine=False)(x)
    (dx,) = torch.autograd.grad(y, x, torch.full((64, 4), 3e38))
    assert (dx.abs() <= 1e-6 * 3e38).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_are_right_to_their_own_rounding(dtype):
    x = drawn((65536, 4), 200.0).to(dtype)
    y = evenly.torch.BatchNorm1d(4, affine=False, dtype=dtype)(x)
    torch.testing.assert_close(y, exact(x).to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
