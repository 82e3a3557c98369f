"""Tests of `Normalize` under casts and moves, in state dicts and in other processes."""

import io

import pytest
import torch
from torch import nn

import evenly
from evenly import StatisticsFileError
from evenly.torch import Normalize

X = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)) * 3 + 1e6
LAYER = Normalize.fit(X)


def byte_tensor(text):
    return torch.tensor(list(text), dtype=torch.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.half(),
        lambda model: model.bfloat16(),
        lambda model: model.double(),
        lambda model: model.to(torch.bfloat16),
        lambda model: model.type(torch.float16),
        lambda model: model.to("cpu", torch.float16),
        lambda model: model.share_memory(),
        lambda model: model.to("meta").to_empty(device="cpu"),
    ],
)
def test_casts_and_moves_do_not_change_statistics(change):
    """Layers that store statistics in half precision get an infinite variance (peers.md)."""
    model = change(nn.Sequential(Normalize.from_moments(LAYER.moments)))
    assert [buffer.dtype for buffer in model.buffers()] == [torch.float64] * 3
    assert torch.equal(model(X), LAYER(X))


def test_share_memory():
    layer = Normalize.from_moments(LAYER.moments).share_memory()
    assert all(buffer.is_shared() for buffer in layer.buffers())


def test_state_dict_loads_with_weights_only():
    file = io.BytesIO()
    torch.save(nn.Sequential(LAYER).state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    model = nn.Sequential(Normalize(5))
    model.load_state_dict(state, strict=True)
    assert model[0].moments == evenly.fit(X)
    assert model[0].frozen
    assert torch.equal(model(X), LAYER(X))


def test_loaded_layer_continues_learning():
    layer, resumed = Normalize(5), Normalize.fit(X)
    layer(X[:10])
    resumed.load_state_dict(layer.state_dict())
    resumed(X[10:])
    assert resumed.moments == evenly.fit(X)


@pytest.mark.parametrize("assign", [False, True])
def test_cast_buffers_in_state_dict_are_ignored(assign):
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in LAYER.state_dict().items()
    }
    layer = Normalize(5)
    layer.load_state_dict(state, assign=assign)
    assert layer.hi.dtype == torch.float64
    assert torch.equal(layer(X), LAYER(X))


def test_buffers_without_extra_state_are_ignored():
    state = {key: value for key, value in LAYER.state_dict().items() if "extra" not in key}
    layer = Normalize.fit(X + 1)
    missing, _ = layer.load_state_dict(state, strict=False)
    assert missing == ["_extra_state"]
    assert torch.equal(layer(X + 1), Normalize.fit(X + 1)(X + 1))
    with pytest.raises(RuntimeError, match=r"Missing key.*_extra_state"):
        layer.load_state_dict(state)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("text", r"a tensor of bytes. Received: 'text'"),
        (torch.zeros(3), r"a tensor of bytes. Received: 'torch.float32, shape \(3,\)'"),
        (byte_tensor(b""), r"b'frozen' or b'learning', and a statistics file. Received: b''"),
        (byte_tensor(b"\x80\x04."), r"Received: b'\\x80\\x04\.'"),
        (byte_tensor(b"frozen\n"), r"truncated: not JSON"),
        (byte_tensor(b"frozen\n{}"), r"this is not a statistics file"),
        (LAYER.get_extra_state()[:-9], r"truncated: not JSON"),
        (Normalize.fit(X[:, :3]).get_extra_state(), r"must have 5 columns.*Received: 3"),
    ],
)
def test_invalid_extra_state_raises_and_changes_nothing(extra, message):
    layer = Normalize.fit(X)
    with pytest.raises(StatisticsFileError, match=message):
        layer.set_extra_state(extra)
    with pytest.raises(RuntimeError, match=message):
        layer.load_state_dict({**Normalize.fit(X + 1).state_dict(), "_extra_state": extra})
    assert layer.moments == evenly.fit(X)
    assert torch.equal(layer(X), LAYER(X))


def test_state_dict_of_other_num_features_raises_and_changes_nothing():
    layer = Normalize.fit(X)
    with pytest.raises(RuntimeError, match=r"size mismatch for hi(.|\n)*must have 5 columns"):
        layer.load_state_dict(Normalize.fit(X[:, :3]).state_dict())
    assert torch.equal(layer(X), LAYER(X))


def test_meta_layer_loads_state_dict():
    with torch.device("meta"):
        layer, other = Normalize(5), Normalize(5)
    assert layer.hi.is_meta
    assert layer(X.to("meta")).shape == X.shape
    layer.load_state_dict(LAYER.state_dict(), assign=True)
    other.to_empty(device="cpu").load_state_dict(LAYER.state_dict())
    assert torch.equal(layer(X), LAYER(X))
    assert torch.equal(other(X), LAYER(X))


def _learn_rows(rank, port, shared):
    """Learn from half of the rows in one process, and merge the moments."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{shared}", rank=rank, world_size=2
    )
    layer = Normalize(5)
    layer(X[rank::2])
    parts = [None, None]
    torch.distributed.all_gather_object(parts, layer.moments)
    layer.moments = evenly.merge(parts)
    assert layer.moments == evenly.fit(X)
    torch.distributed.destroy_process_group()


def test_merging_moments_of_processes(tmp_path):
    torch.multiprocessing.start_processes(
        _learn_rows, (0, tmp_path / "shared"), nprocs=2, start_method="fork"
    )
