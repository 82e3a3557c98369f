"""Tests of `Normalize` as on accelerators: operators, error bounds and transfers.

No accelerator is needed: dispatch modes see the operators that would run on one.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

import evenly
import evenly.torch as et
from evenly.torch import transfer
from memory_traffic import Traffic

DTYPES = [
    torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.uint8, torch.int64,
    torch.bool,
]  # fmt: skip
OFFSETS = [0.0, 300.0, -1e6, 1.7e9]
CASES = [
    (dtype, offset)
    for dtype in DTYPES
    for offset in OFFSETS
    if dtype is not torch.float16 or abs(offset) < 1e4
]


def data(dtype: torch.dtype, offset: float) -> Tensor:
    """Return a batch with the offset in one feature, and a constant feature."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 4, 6, generator=generator, dtype=torch.float64) * 3 + 5
    if dtype is torch.bool:
        return x > 5
    if dtype is torch.uint8:
        return x.abs().to(dtype)
    x[:, 1] = x[:, 1] * max(1.0, abs(offset) * 2.0**-20) + offset
    x[:, 2] = 2.0**-14 + offset
    return x.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_evaluation_runs_two_operators_and_the_inverse_one(dtype: torch.dtype) -> None:
    x = data(dtype, 300.0)
    layer = et.Normalize.fit(x)
    back, y = layer.inverse(), layer(x)
    with Traffic() as forward, Traffic() as inverse:
        pass
    with forward:
        layer(x)
    with inverse:
        back(y)
    if dtype is torch.float64:  # `lo` is included: a product of one number per feature first
        assert forward.operators == ["neg", "mul", "sub", "addcmul"]
        assert inverse.operators == ["addcmul", "add_"]
        return
    assert forward.operators == ["sub", "mul"]
    assert inverse.operators == ["addcmul"]
    result = y.element_size() if dtype.itemsize > 2 else max(y.element_size(), 4)
    assert forward.nbytes / x.numel() < dtype.itemsize + 2 * result + y.element_size() + 1


@pytest.mark.parametrize(("dtype", "offset"), CASES, ids=str)
def test_results_have_two_roundings(dtype: torch.dtype, offset: float) -> None:
    x = data(dtype, offset)
    layer = et.Normalize.fit(x)
    exact = et.Normalize.from_moments(layer.moments)(x.double())  # within 2**-52
    with Traffic():
        y = layer(x)
    assert y.dtype is (x.dtype if x.is_floating_point() else torch.float32)
    roundings = 2 if y.element_size() > 2 else 1.001  # a step in float32 has more digits
    bound = roundings * torch.finfo(y.dtype).eps / 2 * exact.abs()
    ratio = (layer.hi.abs() * layer.scale).view(1, 4, 1)
    if dtype is not torch.float64:
        bound = bound + 2.0**-53 * ratio
    bound = bound + 2.0**-52 * exact.abs() + torch.finfo(y.dtype).smallest_normal * 2.0**-10
    assert ((y.double() - exact).abs() <= bound).all()
    if dtype is not torch.bool:
        assert not y[:, 2].any() or dtype is torch.uint8


@pytest.mark.parametrize(
    ("dtype", "offset"), [case for case in CASES if case[0].is_floating_point], ids=str
)
def test_inverse_has_one_rounding(dtype: torch.dtype, offset: float) -> None:
    x = data(dtype, offset)
    layer = et.Normalize.fit(x)
    y = layer(x)
    expected = layer.inverse()(y)
    with Traffic():
        result = layer.inverse()(y)
    ulp = torch.finfo(dtype).eps  # a value near 0 is the difference of two larger numbers
    torch.testing.assert_close(result, expected, rtol=ulp, atol=8 * 2.0**-52 * x.abs().max().item())
    assert torch.equal(result[:, 2], x[:, 2])


def traffic_of(function: Any) -> tuple[Any, Traffic]:
    with Traffic() as traffic:
        result = function()
    return result, traffic


@pytest.mark.parametrize(("dtype", "offset"), CASES, ids=str)
def test_moments_scale_tensors_with_the_operators_of_the_layers(
    dtype: torch.dtype, offset: float
) -> None:
    x = data(dtype, offset)
    layer = et.Normalize.fit(x)
    inverse, moments = layer.inverse(), layer.moments
    expected, its = traffic_of(lambda: layer(x))
    y, traffic = traffic_of(
        lambda: moments.normalize(x, feature_axis=1, dtype=str(expected.dtype)[6:])
    )
    assert torch.equal(y, expected)
    assert (traffic.operators, traffic.nbytes) == (its.operators, its.nbytes)
    expected, its = traffic_of(lambda: inverse(y))
    back, traffic = traffic_of(lambda: moments.denormalize(y, feature_axis=1))
    assert torch.equal(back, expected)
    assert (traffic.operators, traffic.nbytes) == (its.operators, its.nbytes)


def test_options_of_moments() -> None:
    x = data(torch.float32, 1e6)
    moments = evenly.fit(x, feature_axis=1)
    x[0, 0, 0] = torch.nan
    options = {"feature_axis": 1, "missing": "zero", "clip": 1.5}
    expected = moments.normalize(x, **options)
    out = torch.empty_like(x)
    with Traffic():
        y = moments.normalize(x, **options)
        assert moments.normalize(x, out=out, **options) is out
        wide = moments.normalize(x, dtype="float64", **options)
    ulp = torch.finfo(torch.float32).eps
    torch.testing.assert_close(y, expected, rtol=ulp, atol=0)
    assert torch.equal(out, y)
    expected = moments.normalize(x.double(), **options)
    torch.testing.assert_close(wide, expected, rtol=2.0**-50, atol=2.0**-30)


def test_column_of_one_dimension_and_extreme_spreads() -> None:
    """Spreads whose inverse is beyond float64 need one more operation, in float64."""
    x = torch.tensor([[0.0, 1.0], [5e-324, 3.0]], dtype=torch.float64)
    with Traffic():
        y = evenly.fit(x).normalize(x)
        column = evenly.fit(x[:, 1]).normalize(x[:, 1])
    assert y.tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert column.tolist() == [-1.0, 1.0]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, of a derivative
def test_gradients_of_moments_flow_in_operations() -> None:
    x = data(torch.float32, 0.0)
    layer = et.Normalize.fit(x)
    moments, scale = layer.moments, layer.scale.float().view(1, 4, 1).expand_as(x)
    x.requires_grad_()
    with Traffic():
        (gradient,) = torch.autograd.grad(moments.normalize(x, feature_axis=1).sum(), x)
    torch.testing.assert_close(gradient, scale)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.empty_like(x, device="meta"), scale.to("meta"))
        tangent = forward_ad.unpack_dual(moments.normalize(dual, feature_axis=1)).tangent
    assert tangent.shape == x.shape


def test_missing_and_clip() -> None:
    x = data(torch.float32, 0.0)
    x[0, 0, 0], x[1, 3, 2] = torch.nan, torch.inf
    layer = et.Normalize.fit(x, missing="zero", infinite="missing", clip=1.5)
    with Traffic():
        y = layer(x)
    torch.testing.assert_close(y, layer(x))
    assert y[0, 0, 0] == 0


def test_single_row_and_last_axis() -> None:
    layer = et.Normalize.fit(data(torch.float32, 1e4)[:, :, 0], feature_axis=-1)
    row = data(torch.float32, 1e4)[3, :, 0]
    with Traffic():
        torch.testing.assert_close(layer(row), layer(row[None])[0])


def test_gradients_flow_in_operations() -> None:
    x = data(torch.float32, 0.0).requires_grad_()
    layer = et.Normalize.fit(x.detach())
    with Traffic():
        (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(gradient, layer.scale.float().view(1, 4, 1).expand_as(x))


def test_meta_device() -> None:
    layer = et.Normalize.fit(data(torch.float32, 0.0))
    moved = layer.to("meta")
    for dtype in DTYPES:
        x = torch.empty(5, 4, 6, dtype=dtype, device="meta")
        for y in (moved(x), layer.moments.normalize(x, feature_axis=1, dtype="float32")):
            assert y.shape == (5, 4, 6)
            assert y.is_meta
        assert moved(x).dtype is (dtype if dtype.is_floating_point else torch.float32)


class Access(TorchFunctionMode):
    """Record the functions that access the memory of some tensors."""

    METADATA = "__get__", "data_ptr", "size", "detach", "numel", "stride", "is_contiguous"

    def __init__(self, observed: list[Tensor]) -> None:
        super().__init__()
        self.addresses = {x.data_ptr() for x in observed}
        self.functions: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(function, "__name__", str(function))
        if name not in self.METADATA and any(
            isinstance(a, Tensor) and a.data_ptr() in self.addresses for a in args
        ):
            self.functions.append(name)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Treat the CPU as an accelerator; return the number of tensors of each transfer."""
    waits: list[int] = []
    original = transfer.to_host

    def count(tensors: Any) -> list[Tensor]:
        waits.append(len(tensors))
        return original(tensors)

    monkeypatch.setattr(transfer, "is_remote", lambda x: not x.is_meta)
    monkeypatch.setattr(transfer, "to_host", count)
    return waits


def test_learning_waits_for_one_transfer_of_each_batch(remote: list[int]) -> None:
    x = data(torch.float32, 1e6)
    layer = et.Normalize(4)
    for batch in x.split(64):
        buffers = [layer.hi, layer.lo, layer.scale, layer.exact]
        with Access([batch, *buffers]) as access:
            layer.learn(batch, layer._tensors)
        assert access.functions == ["empty_like", "copy_"] * 5 + ["copy_"] * len(buffers)
    assert remote == [5] * 4
    assert layer.moments == evenly.fit(x, feature_axis=1)
    torch.testing.assert_close(layer.freeze()(x), et.Normalize.fit(x)(x), rtol=0, atol=0)


def test_learning_notices_buffers_that_were_edited(remote: list[int]) -> None:
    layer = et.Normalize(4)
    layer(data(torch.float32, 0.0))
    layer.hi.add_(1.0)
    before = layer.hi.clone()
    with pytest.warns(UserWarning, match="can only learn if the exact statistics"):
        layer(data(torch.float32, 0.0))
    assert torch.equal(layer.hi, before)


def test_transfers_keep_values_and_layout() -> None:
    tensors = [torch.arange(6.0).view(2, 3).T, torch.tensor([1, 2], dtype=torch.uint8)]
    copies = transfer.to_host(tensors)
    for copy, original in zip(copies, tensors, strict=True):
        assert torch.equal(copy, original)
        assert copy.data_ptr() != original.data_ptr()
    transfer.to_device([copy + 1 for copy in copies], tensors)
    assert np.array_equal(tensors[1].numpy(), [2, 3])
    assert not transfer.is_remote(tensors[0])
