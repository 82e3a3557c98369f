"""Tests of the batch norm kernels against float64 results of torch's autograd."""

from itertools import product

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from evenly import _core
from evenly.torch import BatchNorm1d, native
from evenly.torch.functional import batch_norm

EPSILON = {torch.float64: 2.0**-52, torch.float32: 2.0**-23, torch.bfloat16: 2.0**-7}
EPSILON |= {torch.float16: 2.0**-10}
DTYPES = tuple(EPSILON)

# (samples, channels, *): fewer and more channels than a register holds, and no multiple of it;
# runs of one value, shorter and longer than a register; sizes that are split over threads; and
# rows of many columns.
SHAPES = [
    (2, 1), (3, 5), (33, 7), (100, 10), (17, 16), (70, 33), (19, 100), (300, 130), (9, 1500),
    (5000, 10), (3, 2, 1), (4, 3, 5), (2, 3, 17), (6, 40, 49), (3, 2, 3000), (2, 1, 70000),
    (5, 17, 4, 4), (2, 6, 2, 3, 4), (40, 3, 31, 31),
]  # fmt: skip


def reference(
    x: Tensor, gradient: Tensor, weight: Tensor, bias: Tensor, fixed: tuple[Tensor, Tensor] | None
) -> list[Tensor]:
    """Return the output and the gradients of input, weight and bias in float64."""
    axes = [0, *range(2, x.ndim)]
    shape = (1, -1, *[1] * (x.ndim - 2))
    x, weight, bias = (t.double().detach().requires_grad_() for t in (x, weight, bias))
    if fixed is None:
        variance, mean = torch.var_mean(x, axes, correction=0)
    else:
        mean, variance = (t.double() for t in fixed)
    y = (x - mean.view(shape)) * (variance + 1e-5).rsqrt().view(shape)
    y = y * weight.view(shape) + bias.view(shape)
    return [y.detach(), *torch.autograd.grad(y, (x, weight, bias), gradient.double())]


def assert_near(
    actual: Tensor, expected: Tensor, dtype: torch.dtype, scale: float, label: str
) -> None:
    error = (actual.double() - expected).abs().max().item()
    ulps = 200 if dtype is torch.float64 else 4  # the reference is computed in float64, too
    assert error <= ulps * EPSILON[dtype] * scale, f"{label}: {error}, of {scale}"


def check(shape: tuple[int, ...], dtype: torch.dtype, channels_last: bool, fixed: bool) -> None:
    random = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(shape, generator=random, dtype=torch.float64).mul(3).add(5).to(dtype)
    gradient = torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)
    if channels_last:
        x, gradient = (t.movedim(1, -1).contiguous().movedim(-1, 1) for t in (x, gradient))
    parameter_dtype = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
    parameters = torch.rand(4, shape[1], generator=random, dtype=parameter_dtype) + 0.5
    weight, bias, mean, variance = parameters
    statistics = (mean, variance) if fixed else None
    inputs = [t.detach().requires_grad_() for t in (x, weight, bias)]
    assert native.supports(*inputs)
    y = batch_norm(
        inputs[0], *(statistics or (None, None)), inputs[1], inputs[2], training=not fixed
    )
    assert y.stride() == x.stride()
    results = [y, *torch.autograd.grad(y, inputs, gradient)]
    expected = reference(x, gradient, weight, bias, statistics)
    values = x.numel() // shape[1]
    scales = [e.abs().max().item() + 1 for e in expected[:2]]
    scales += [16 * values**0.5] * 2
    names = "output", "input's gradient", "weight's gradient", "bias's gradient"
    for result, exact, name, scale in zip(results, expected, names, scales, strict=True):
        assert result.dtype == (dtype if name in names[:2] else parameter_dtype)
        assert_near(result, exact, result.dtype, scale, f"{name} of {shape} {dtype}")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradients_are_those_of_float64(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    for channels_last, fixed in product((False, True), repeat=2):
        check(shape, dtype, channels_last, fixed)


@settings(max_examples=25)  # batch_norm_test.cc has many more
@given(
    samples=st.integers(2, 70),
    channels=st.integers(1, 70),
    inner=st.integers(1, 70),
    dtype=st.sampled_from(DTYPES),
    channels_last=st.booleans(),
    fixed=st.booleans(),
)
@example(2, 17, 15, torch.bfloat16, True, False)
def test_kernels_equal_reference_for_any_shape(
    samples: int, channels: int, inner: int, dtype: torch.dtype, channels_last: bool, fixed: bool
) -> None:
    check((samples, channels, inner), dtype, channels_last, fixed)


@pytest.mark.parametrize("shape", [(5000, 64), (20, 40, 700), (3, 2, 90000), (64, 512, 7)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_are_bit_identical_for_any_number_of_threads(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaf = x.clone().requires_grad_()
            y = batch_norm(leaf, None, None, training=True)
            results.append((y.detach(), *torch.autograd.grad(y, leaf, x)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(4096, 3), (4096, 64), (8, 3, 500), (2, 1, 90000)], ids=str)
def test_outlier_as_first_value_costs_no_precision(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Sums are relative to a channel's first value, which may be an outlier."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    x[0] = 1e6
    y = batch_norm(x, None, None, training=True)
    expected, *_ = reference(x, x, torch.ones(shape[1]), torch.zeros(shape[1]), None)
    assert_near(y, expected, dtype, expected.abs().max().item(), "output")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (1000, 40), (6, 5, 100)], ids=str)
def test_constant_channel_becomes_its_bias(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.full(shape, 1234.1, dtype=dtype)
    bias = torch.arange(shape[1], dtype=dtype)
    y = batch_norm(x, None, None, torch.full_like(bias, 3), bias, training=True)
    assert torch.equal(y.movedim(1, -1), bias.expand(*shape[:1], *shape[2:], shape[1]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_value_affects_only_its_channel(value: float, dtype: torch.dtype) -> None:
    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(1)).to(dtype)
    x[7, 3] = value
    leaf = x.clone().requires_grad_()
    y = batch_norm(leaf, None, None, training=True)
    (gradient,) = torch.autograd.grad(y, leaf, torch.ones_like(y))
    for result in (y, gradient):
        has_nan = result.isnan().any(0)
        assert has_nan.nonzero().flatten().tolist() == [3]
        assert result[:, 3].isnan().all()


def test_values_whose_squares_overflow_float32_are_normalized() -> None:
    x = torch.tensor([[1e30], [-1e30], [3e30]], requires_grad=True)
    y = batch_norm(x, None, None, training=True)
    expected = reference(x, torch.ones(3, 1), torch.ones(1), torch.zeros(1), None)[0]
    assert_near(y, expected, torch.float32, 1, "output")
    assert torch.autograd.grad(y, x, torch.ones_like(y))[0].isfinite().all()


def test_bfloat16_rounds_to_nearest_even_as_torch() -> None:
    x = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    x = x[x.isfinite() & (x.abs() < 1e37)]
    y = batch_norm(x[:, None], torch.zeros(1), torch.ones(1), torch.full((1,), 1.0039), eps=0.0)
    assert torch.equal(y[:, 0], (x.float() * 1.0039).bfloat16())


def test_two_models_in_two_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    expected = batch_norm(x, None, None, training=True)

    def run_many(_: int) -> bool:
        layer = BatchNorm1d(64)
        return all(torch.equal(layer(x), expected) for _ in range(50))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(run_many, range(2)))


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(4, 3, dtype=torch.int64),
        torch.ones(4, 3, dtype=torch.complex64),
        torch.ones(4, 3).to_sparse(),
        torch.ones(4, 3, device="meta"),
        torch.ones(0, 3),
        torch.ones(3),
        torch.ones(4, 3, dtype=torch.complex64).conj().imag,
    ],
    ids=["integers", "complex", "sparse", "meta", "empty", "one axis", "negated"],
)
def test_supports_rejects_other_inputs(x: Tensor) -> None:
    assert not native.supports(x)
    assert native.supports(torch.ones(4, 3), torch.ones(3))


def test_supports_rejects_parameters_of_other_lengths_dtypes_and_strides() -> None:
    x, good = torch.ones(4, 3), torch.ones(3)
    for bad in (torch.ones(4), good.double(), good.bfloat16(), torch.ones(3, 2)[:, 0]):
        assert not native.supports(x, bad)
        assert not native.supports(x, good, bad)
    assert native.supports(x.bfloat16(), good)
    assert not native.supports(x.double(), good)


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels last"])
def test_backward_accepts_gradient_of_any_layout(channels_last: bool) -> None:
    random = torch.Generator().manual_seed(7)
    x, plain = torch.randn(2, 4, 3, 5, 6, generator=random)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    gradients = {
        "channels last": plain.contiguous(memory_format=torch.channels_last),
        "transposed": plain.transpose(0, 3).contiguous().transpose(0, 3),
        "every other": torch.stack([plain, plain + 1], -1)[..., 0],
        "negated": torch.complex(plain, -plain).conj().imag,
    }
    weight, bias = torch.rand(2, 3, generator=random)
    inputs = [t.detach().requires_grad_() for t in (x, weight, bias)]
    assert native.supports(*inputs)

    def backward(gradient: Tensor) -> tuple[Tensor, ...]:
        y = batch_norm(inputs[0], None, None, inputs[1], inputs[2], training=True)
        return torch.autograd.grad(y, inputs, gradient)

    for name, gradient in gradients.items():
        assert torch.equal(gradient, plain), name
        for actual, expected in zip(backward(gradient), backward(plain), strict=True):
            assert torch.equal(actual, expected), name
            assert actual.stride() == expected.stride(), name
    one = torch.ones(())
    of_sum, of_ones = backward(one.expand_as(x)), backward(torch.ones_like(x))
    for actual, expected in zip(of_sum, of_ones, strict=True):
        assert torch.equal(actual, expected), "a sum's"


def test_core_rejects_invalid_arguments() -> None:
    x, saved = torch.ones(4, 3), bytearray(32 * 3)
    with pytest.raises(ValueError, match="dense"):
        _core.batch_norm(torch.ones(4, 6)[:, ::2], None, None, 1e-5, saved, True)
    with pytest.raises(ValueError, match="a part"):
        _core.batch_norm(x, torch.ones(2), None, 1e-5, saved, True)
    with pytest.raises(ValueError, match="saved"):
        _core.batch_norm(x, None, None, 1e-5, bytearray(8), True)
    for gradient in (torch.ones(3, 4), torch.ones(4, 1), torch.ones(4, 3).double()):
        with pytest.raises(ValueError, match="a gradient"):
            _core.batch_norm_backward(x, gradient, None, None, saved, True, False, False, False)
    running = torch.zeros(3), torch.ones(3)
    with pytest.raises(ValueError, match="a counter"):
        _core.batch_norm_move(saved, 4, 0.1, False, *running, torch.zeros((), dtype=torch.int32))
