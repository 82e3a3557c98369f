"""Tests of the allocator that caches the memory of large outputs."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import evenly.torch as et
from evenly import _core
from evenly.torch.allocator import MIN_CACHED, empty_like

LARGE = (64, 32, 32, 32)


@pytest.fixture(autouse=True)
def clear_cache() -> Iterator[None]:
    et.empty_cache()
    yield
    et.empty_cache()


def large(dtype: torch.dtype = torch.float32) -> Tensor:
    x = torch.randn(LARGE, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert x.numel() >= MIN_CACHED
    return x


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_empty_like_equals_torch_empty_like(
    dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    x = large(dtype).contiguous(memory_format=memory_format).requires_grad_()
    ours, usual = empty_like(x), torch.empty_like(x)
    for attribute in (
        Tensor.size, Tensor.stride, Tensor.storage_offset, Tensor.is_leaf.__get__,
        Tensor.dtype.__get__, Tensor.requires_grad.__get__, Tensor.is_contiguous,
    ):  # fmt: skip
        assert attribute(ours) == attribute(usual)
    assert ours._base is None
    assert ours.data_ptr() % 64 == 0
    assert ours.untyped_storage().nbytes() == usual.untyped_storage().nbytes()


def test_empty_like_keeps_layout_of_views_and_wider_dtypes() -> None:
    x = large().transpose(1, 3)[:, ::2]
    assert x.numel() >= MIN_CACHED
    assert empty_like(x).stride() == torch.empty_like(x).stride()
    assert empty_like(x, torch.float64).dtype is torch.float64


def test_empty_like_supports_other_dtypes() -> None:
    assert empty_like(large().to(torch.float8_e4m3fn)).dtype is torch.float8_e4m3fn
    assert empty_like(large(), torch.int8).dtype is torch.int8


def test_freed_memory_is_reused_by_next_output() -> None:
    x, layer = large(), et.BatchNorm2d(32)
    first = layer(x)
    address, values = first.data_ptr(), first.detach().clone()
    second = layer(x)
    assert second.data_ptr() != address
    assert torch.equal(first, values)
    del first
    assert layer(x).data_ptr() == address


def test_memory_with_views_is_not_reused() -> None:
    x, layer = large(), et.BatchNorm2d(32)
    row = layer(x)[0, 0, 0]  # a view keeps the memory
    values = row.detach().clone()
    array = layer(x).detach()[1].numpy()  # and so does an array
    numbers = array.copy()
    for _ in range(4):
        layer(torch.zeros_like(x))
    assert torch.equal(row, values)
    assert (array == numbers).all()


def test_training_is_the_same_with_and_without_cache() -> None:
    def weights(cached: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(32, 32, 1), et.BatchNorm2d(32), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 1), et.BatchNorm2d(32), nn.ReLU(inplace=True),
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(4):
            if not cached:
                et.empty_cache()
            optimizer.zero_grad()
            y = model(large())
            (y**2 + y.roll(1, 0)).mean().backward()
            optimizer.step()
        return [p.detach() for p in model.parameters()]

    for cached, uncached in zip(weights(cached=True), weights(cached=False), strict=True):
        assert torch.equal(cached, uncached)


def test_gradients_accumulate_in_cached_memory() -> None:
    x, layer = large().requires_grad_(), et.BatchNorm2d(32)
    grads = []
    for _ in range(2):
        (layer(x) ** 3).sum().backward()
        assert x.grad is not None
        grads.append(x.grad.clone())
    assert torch.equal(grads[1], grads[0] + grads[0])
    y = layer(x)
    y.backward(y.detach(), retain_graph=True)
    y.backward(y.detach())


def test_copies_pickles_and_shared_memory_of_outputs() -> None:
    y = et.BatchNorm2d(32).eval()(large()).detach()
    for other in (copy.deepcopy(y), pickle.loads(pickle.dumps(y)), y.clone()):
        assert other.data_ptr() != y.data_ptr()
        assert torch.equal(other, y)
    shared = y.clone()
    assert torch.equal(y.share_memory_(), shared)
    assert y.is_shared()


def test_normalize_reuses_memory() -> None:
    x = large().flatten(1)
    layer = et.Normalize.fit(x)
    y = layer(x)
    address = y.data_ptr()
    del y
    assert layer(x).data_ptr() == address


def test_small_outputs_are_not_cached() -> None:
    et.BatchNorm1d(4)(torch.randn(100, 4))
    assert et.empty_cache() == 0


def test_storage_of_small_outputs_and_gradients_can_be_resized() -> None:
    """Fully sharded training resizes activations, and `out=` resizes tensors of other shapes."""
    x, layer = torch.randn(100, 4, requires_grad=True), et.BatchNorm1d(4)
    y = layer(x)
    gradients = torch.autograd.grad(y, (x, *layer.parameters()), torch.ones_like(y))
    for result in (y.detach(), layer.eval()(x).detach(), *gradients):
        result.untyped_storage().resize_(0)
        result.resize_(7, 9)


def test_empty_cache_releases_memory() -> None:
    et.BatchNorm2d(32)(large())
    assert et.empty_cache() >= large().nbytes
    assert et.empty_cache() == 0


def test_cache_has_a_limit() -> None:
    x = torch.empty(1 << 22)
    outputs = [empty_like(x) for _ in range(20)]
    assert 20 * x.nbytes > _core.most_cached() == 256 << 20
    del outputs
    assert et.empty_cache() == 256 << 20


def test_memory_freed_by_another_thread_is_reused() -> None:
    outputs = [et.BatchNorm2d(32)(large())]
    address = outputs[0].data_ptr()
    thread = threading.Thread(target=outputs.clear)
    thread.start()
    thread.join()
    assert et.BatchNorm2d(32)(large()).data_ptr() == address


@pytest.mark.parametrize(
    ("megabytes", "kept"), [("0", 0), ("-1", 0), ("nonsense", 0), ("3", 0), ("8", 8 << 20)]
)
def test_environment_variable_limits_the_cache(megabytes: str, kept: int) -> None:
    """The variable is read when the layers are imported: each value needs a process."""
    code = (
        "import torch, evenly.torch as et\n"
        f"y = et.BatchNorm2d(32)(torch.randn{LARGE})\n"
        "del y\n"
        "print(et.empty_cache())\n"
        f"left = et.BatchNorm2d(32)(torch.randn{LARGE})"  # is freed after Python has exited
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "EVENLY_CACHE_MB": megabytes},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == kept
    assert not done.stderr
