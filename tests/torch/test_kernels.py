"""The kernels of batch normalisation beside the same in float64, by torch's own autograd."""

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

# (samples, channels, *rest): fewer channels than a register holds, more, and no multiple; runs
# of one value, of less than a register, of more; what is cut among threads; rows of many columns.
SHAPES = [
    (2, 1), (3, 5), (33, 7), (100, 10), (17, 16), (70, 33), (19, 100), (300, 130), (9, 1500),
    (5000, 10), (3, 2, 1), (4, 3, 5), (2, 3, 17), (6, 40, 49), (3, 2, 3000), (2, 1, 70000),
    (5, 17, 4, 4), (2, 6, 2, 3, 4), (40, 3, 31, 31),
]  # fmt: skip


def reference(
    x: Tensor, gradient: Tensor, weight: Tensor, bias: Tensor, fixed: tuple[Tensor, Tensor] | None
) -> list[Tensor]:
    """The output and the gradients of input, weight and bias, all in float64."""
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


def assert_near(got: Tensor, expected: Tensor, dtype: torch.dtype, scale: float, what: str) -> None:
    error = (got.double() - expected).abs().max().item()
    ulps = 200 if dtype is torch.float64 else 4  # the reference is no better than float64 itself
    assert error <= ulps * EPSILON[dtype] * scale, f"{what}: {error}, of {scale}"


def check(shape: tuple[int, ...], dtype: torch.dtype, channels_last: bool, fixed: bool) -> None:
    random = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(shape, generator=random, dtype=torch.float64).mul(3).add(5).to(dtype)
    gradient = torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)
    if channels_last:
        x, gradient = (t.movedim(1, -1).contiguous().movedim(-1, 1) for t in (x, gradient))
    own = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
    weight, bias, mean, spread = torch.rand(4, shape[1], generator=random, dtype=own) + 0.5
    statistics = (mean, spread) if fixed else None
    inputs = [t.detach().requires_grad_() for t in (x, weight, bias)]
    assert native.supports(*inputs)
    y = batch_norm(
        inputs[0], *(statistics or (None, None)), inputs[1], inputs[2], training=not fixed
    )
    assert y.stride() == x.stride()
    found = [y, *torch.autograd.grad(y, inputs, gradient)]
    expected = reference(x, gradient, weight, bias, statistics)
    values = x.numel() // shape[1]
    scales = [e.abs().max().item() + 1 for e in expected[:2]]
    scales += [16 * values**0.5] * 2
    names = "output", "input's gradient", "weight's gradient", "bias's gradient"
    for got, want, name, scale in zip(found, expected, names, scales, strict=True):
        assert got.dtype == (dtype if name in names[:2] else own)
        assert_near(got, want, got.dtype, scale, f"{name} of {shape} {dtype}")


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
def test_any_shape(
    samples: int, channels: int, inner: int, dtype: torch.dtype, channels_last: bool, fixed: bool
) -> None:
    check((samples, channels, inner), dtype, channels_last, fixed)


@pytest.mark.parametrize("shape", [(5000, 64), (20, 40, 700), (3, 2, 90000), (64, 512, 7)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_any_number_of_threads_gives_the_same_bits(
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
def test_a_far_first_value_costs_no_digits(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Sums are about a channel's first value; it may be the one that lies far off."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    x[0] = 1e6
    y = batch_norm(x, None, None, training=True)
    expected, *_ = reference(x, x, torch.ones(shape[1]), torch.zeros(shape[1]), None)
    assert_near(y, expected, dtype, expected.abs().max().item(), "output")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (1000, 40), (6, 5, 100)], ids=str)
def test_a_constant_channel_is_exactly_its_bias(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.full(shape, 1234.1, dtype=dtype)
    bias = torch.arange(shape[1], dtype=dtype)
    y = batch_norm(x, None, None, torch.full_like(bias, 3), bias, training=True)
    assert torch.equal(y.movedim(1, -1), bias.expand(*shape[:1], *shape[2:], shape[1]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_spoils_its_own_channel_only(value: float, dtype: torch.dtype) -> None:
    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(1)).to(dtype)
    x[7, 3] = value
    leaf = x.clone().requires_grad_()
    y = batch_norm(leaf, None, None, training=True)
    (gradient,) = torch.autograd.grad(y, leaf, torch.ones_like(y))
    for result in (y, gradient):
        spoilt = result.isnan().any(0)
        assert spoilt.nonzero().flatten().tolist() == [3]
        assert result[:, 3].isnan().all()


def test_squares_beyond_float32_have_a_variance() -> None:
    x = torch.tensor([[1e30], [-1e30], [3e30]], requires_grad=True)
    y = batch_norm(x, None, None, training=True)
    expected = reference(x, torch.ones(3, 1), torch.ones(1), torch.zeros(1), None)[0]
    assert_near(y, expected, torch.float32, 1, "output")
    assert torch.autograd.grad(y, x, torch.ones_like(y))[0].isfinite().all()


def test_bfloat16_is_rounded_to_nearest_even_as_torch_does() -> None:
    x = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    x = x[x.isfinite() & (x.abs() < 1e37)]
    y = batch_norm(x[:, None], torch.zeros(1), torch.ones(1), torch.full((1,), 1.0039), eps=0.0)
    assert torch.equal(y[:, 0], (x.float() * 1.0039).bfloat16())


def test_two_models_in_two_threads_do_not_meet() -> None:
    from concurrent.futures import ThreadPoolExecutor

    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    expected = batch_norm(x, None, None, training=True)

    def many(_: int) -> bool:
        layer = BatchNorm1d(64)
        return all(torch.equal(layer(x), expected) for _ in range(50))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(many, range(2)))


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
def test_what_the_kernels_do_not_take(x: Tensor) -> None:
    assert not native.supports(x)
    assert native.supports(torch.ones(4, 3), torch.ones(3))


def test_parts_of_other_lengths_dtypes_and_strides_are_not_taken() -> None:
    x, good = torch.ones(4, 3), torch.ones(3)
    for part in (torch.ones(4), good.double(), good.bfloat16(), torch.ones(3, 2)[:, 0]):
        assert not native.supports(x, part)
        assert not native.supports(x, good, part)
    assert native.supports(x.bfloat16(), good)
    assert not native.supports(x.double(), good)


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels last"])
def test_a_gradient_may_lie_in_any_way(channels_last: bool) -> None:
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
    inputs = [part.detach().requires_grad_() for part in (x, weight, bias)]
    assert native.supports(*inputs)

    def found(gradient: Tensor) -> tuple[Tensor, ...]:
        y = batch_norm(inputs[0], None, None, inputs[1], inputs[2], training=True)
        return torch.autograd.grad(y, inputs, gradient)

    for name, gradient in gradients.items():
        assert torch.equal(gradient, plain), name
        for got, want in zip(found(gradient), found(plain), strict=True):
            assert torch.equal(got, want), name
            assert got.stride() == want.stride(), name
    one = torch.ones(())
    for got, want in zip(found(one.expand_as(x)), found(torch.ones_like(x)), strict=True):
        assert torch.equal(got, want), "a sum's"


def test_the_core_refuses_what_it_would_read_wrongly() -> None:
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
