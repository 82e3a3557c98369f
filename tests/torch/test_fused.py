"""Tests of batch norms without the kernels, as on accelerators: torch's operator, options, bytes.

No accelerator is needed: dispatch modes see the operators that would run on one.
"""

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import evenly.torch as et
from evenly.torch import functional, fused
from memory_traffic import Cost, Traffic, cost_of

SHAPES = [(512, 64), (32, 64, 40), (32, 64, 28, 28), (2, 16, 4, 20, 20)]
over_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
over_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
SHARED = "momentum", "affine", "track_running_stats"
OPTIONS = [
    {"non_finite": "skip"},
    {"momentum": None},
    {"update": "step"},
    {"update": "batch"},
    {"single": "running"},
    {"affine": False},
    {"track_running_stats": False},
]


def pair(shape: tuple[int, ...], **options: Any) -> tuple[nn.Module, nn.Module]:
    """Return torch's layer and evenly's for batches of a shape."""
    name = f"BatchNorm{max(1, len(shape) - 2)}d"
    ours = getattr(et, name)(shape[1], **options)
    shared = {n: v for n, v in options.items() if n in SHARED}
    return getattr(nn, name)(shape[1], **shared), ours


def batch(*shape: int, offset: float = 0.0, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + offset


def assert_at_most(cost: Cost, limit: float, torchs: Cost) -> None:
    for ours, its in zip(cost, torchs, strict=True):
        assert ours <= limit * its, (cost, torchs)


def assert_identical(first: Any, second: Any) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@over_shapes
@over_dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_default_moves_and_saves_the_bytes_of_torchs_layer(
    shape: tuple[int, ...], dtype: torch.dtype, training: bool, device: str
) -> None:
    torchs, ours = (layer.train(training).to(device) for layer in pair(shape))
    x = batch(*shape).to(device, dtype)
    assert_at_most(cost_of(ours, x), 1.0, cost_of(torchs, x))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_move_and_save_the_bytes_of_torchs_layer(options: dict) -> None:
    torchs, ours = pair(SHAPES[2], **options)
    x = batch(*SHAPES[2])
    assert_at_most(cost_of(ours, x), 1.05, cost_of(torchs, x))
    assert_at_most(cost_of(ours.eval(), x), 1.05, cost_of(torchs.eval(), x))


@over_shapes
@over_dtypes
def test_exact_needs_one_more_pass(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torchs, ours = pair(shape, exact=True)
    x = batch(*shape).to(dtype)
    cost, its = cost_of(ours, x), cost_of(torchs, x)
    assert_at_most(cost, 1.8, its)
    assert_at_most(cost._replace(forward=0), 1.0, its)


def trained(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return output, gradients and running statistics of one step under a dispatch mode."""
    x = x.detach().requires_grad_()
    with Traffic():
        y = layer(x)
        gradients = torch.autograd.grad(y.pow(3).sum(), [x, *layer.parameters()])
    return [y.detach(), *gradients, *layer.buffers()]


@over_shapes
def test_default_is_torchs_layer_bit_for_bit(shape: tuple[int, ...]) -> None:
    torchs, ours = pair(shape)
    assert_identical(trained(ours, batch(*shape)), trained(torchs, batch(*shape)))
    assert_identical(trained(ours.eval(), batch(*shape)), trained(torchs.eval(), batch(*shape)))


@pytest.mark.parametrize("options", [*OPTIONS, {"exact": True}, {"virtual_batch_size": 7}], ids=str)
@over_dtypes
def test_options_agree_with_the_kernels(options: dict, dtype: torch.dtype) -> None:
    shape = (16, 8, 5, 5)
    _, layer = pair(shape, **options)
    other = copy.deepcopy(layer)
    x = batch(*shape, offset=1.0).to(dtype)
    y = other(x)
    results = trained(layer, x)
    for one in (layer, other):
        one.after_step()
    tolerance = 1e-5 if dtype is torch.float32 else 2**-7
    torch.testing.assert_close(results[0], y.detach(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close([*layer.buffers()], [*other.buffers()], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [(torch.float16, 1e4)]
    + [
        (dtype, offset)
        for dtype in (torch.float64, torch.float32, torch.bfloat16)
        for offset in (0.0, -3.0, 1e4, -1e6, 1.7e9)
    ],
    ids=str,
)
def test_exact_is_correct_at_any_offset(dtype: torch.dtype, offset: float) -> None:
    scale = max(1.0, abs(offset) * 2 * torch.finfo(dtype).eps)
    x = (batch(64, 8, 5, 5) * scale + offset).to(dtype)
    layer = et.BatchNorm2d(8, exact=True, dtype=dtype if dtype.itemsize > 2 else None)
    result, _, _, _, mean, variance, _ = trained(layer, x)
    wide = x.double()
    expected_variance, expected_mean = torch.var_mean(wide, (0, 2, 3))
    biased, shape = expected_variance * (1599 / 1600), (1, 8, 1, 1)
    expected = (wide - expected_mean.view(shape)) * (biased + 1e-5).rsqrt().view(shape)
    ulp = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), expected, rtol=4 * ulp, atol=16 * 2.0**-23)
    torch.testing.assert_close(mean.double(), 0.1 * expected_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        variance.double(), 0.9 + 0.1 * expected_variance, rtol=1e-5, atol=1e-6
    )


@over_dtypes
def test_exact_makes_constant_channels_the_bias(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, -7.3, 1e-30, 123.456, 1e6, -1.7e9, 1e30])
    x = values.expand(9, 7).to(dtype)
    layer = et.BatchNorm1d(7, exact=True, momentum=1.0)
    nn.init.uniform_(layer.bias)
    with Traffic():
        assert_identical(layer(x), layer.bias.to(dtype).expand(9, 7))
    assert_identical(layer.running_mean, x[0].float())
    assert not layer.running_var.any()
    if dtype is torch.float32:
        with Traffic():
            assert_identical(layer.eval()(x), layer.bias.expand(9, 7))


def test_exact_with_a_first_value_far_from_the_others() -> None:
    x = batch(1000, 2) + torch.tensor([1e6, 0.0])
    x[0] = torch.tensor([-1e7, 1e9])
    y = trained(et.BatchNorm1d(2, exact=True), x)[0]
    variance, mean = torch.var_mean(x.double(), 0, correction=0)
    expected = (x - mean) * (variance + 1e-5).rsqrt()
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=5 * 1000**0.5 * 2.0**-23)


def test_pivot_is_a_value_near_the_others_or_zero() -> None:
    x = torch.tensor([[5.0, -5.0, 1.0, 0.0, 8.0], [5.5, -5.5, -1.0, 0.0, 20.0]])
    assert fused.choose_pivot(x).tolist() == [5.0, -5.5, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("exact", [False, True])
def test_skipped_batch_changes_nothing(exact: bool) -> None:
    layer = et.BatchNorm1d(3, non_finite="skip", exact=exact)
    before = copy.deepcopy(layer.state_dict())
    x = batch(8, 3)
    x[4, 1] = torch.inf
    with Traffic():
        layer(x)
    assert_identical(layer.state_dict(), before)
    assert layer.skipped == 1


def test_single_row_and_frozen_layer_use_running_statistics() -> None:
    layer = et.BatchNorm1d(3, single="running")
    before = copy.deepcopy(layer.state_dict())
    row, rows = batch(1, 3), batch(8, 3)
    with Traffic() as traffic:
        layer(row)
        layer.freeze()(rows)
    assert_identical(layer.state_dict(), before)
    assert traffic.operators == ["native_batch_norm"] * 2


def test_mask_and_double_backward() -> None:
    layer = et.BatchNorm1d(3)
    x, mask = batch(8, 3).requires_grad_(), torch.arange(8) < 6
    expected = layer(x, mask=mask)
    with Traffic():
        assert_identical(layer(x, mask=mask), expected)

    def second(x: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(layer(x).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), x)[0]

    expected = second(x)
    with Traffic():
        torch.testing.assert_close(second(x), expected)


def test_checkpointed_batch_updates_once() -> None:
    layer = et.BatchNorm1d(3, update="batch")
    with Traffic():
        checkpoint(layer, batch(8, 3).requires_grad_(), use_reentrant=False).sum().backward()
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("exact", [False, True])
def test_empty_batch_is_counted(exact: bool) -> None:
    layer = et.BatchNorm1d(3, exact=exact)
    with Traffic():
        assert layer(torch.zeros(0, 3)).shape == (0, 3)
    assert layer.num_batches_tracked == 1


def test_function_updates_the_running_statistics() -> None:
    x = batch(50, 3, offset=1e6)
    results = []
    for function in (functional.batch_norm, nn.functional.batch_norm):
        running = torch.zeros(3), torch.ones(3)
        with Traffic():
            results.append((function(x, *running, training=True), *running))
    assert_identical(*results)
    running = torch.zeros(3), torch.ones(3)
    with Traffic():
        y = functional.batch_norm(x, *running, training=True, exact=True)
    torch.testing.assert_close(y, functional.batch_norm(x, None, None, training=True))
    torch.testing.assert_close(running[0], x.double().mean(0).float() * 0.1)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_layer_compiles_on_other_devices(exact: bool, training: bool) -> None:
    layer = et.BatchNorm2d(3, exact=exact, device="meta").train(training)
    function = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.zeros(4, 3, 2, 2, device="meta", requires_grad=True)
    function(x).sum().backward()
    assert x.grad.shape == x.shape


def test_exact_is_an_option_of_every_layer_and_of_convert() -> None:
    for layer in (et.BatchNorm3d(3, exact=True), et.SyncBatchNorm(3, exact=True)):
        assert layer.exact
        assert repr(layer).endswith("exact=True)")
    lazy = et.LazyBatchNorm1d(exact=True)
    lazy(batch(4, 3))
    assert lazy.exact
    model = et.convert(nn.Sequential(nn.BatchNorm1d(3)), exact=True)
    assert model[0].exact
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        et.convert(model, to="torch")
    assert "0 (exact)" in str(caught[0].message)
