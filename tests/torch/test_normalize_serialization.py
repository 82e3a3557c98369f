"""Tests of `Normalize` under casts and moves, in state dicts and in other processes."""

import base64
import io
import warnings

import pytest
import torch
from torch import nn

import evenly
from evenly import DataError, StatisticsFileError
from evenly.torch import Normalize

X = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)) * 3 + 1e6
LAYER = Normalize.fit(X)


def byte_tensor(text):
    return torch.tensor(list(text), dtype=torch.uint8)


def older_extra_state(layer):
    """Return the extra state as versions before the buffer of fixed size wrote it."""
    return byte_tensor(
        (b"frozen" if layer.frozen else b"learning") + b"\n" + layer.moments.to_bytes()
    )


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
    dtypes = {name: buffer.dtype for name, buffer in model[0].named_buffers()}
    assert dtypes == {**dict.fromkeys(("hi", "lo", "scale"), torch.float64), "exact": torch.uint8}
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


def test_buffers_without_extra_state_are_used_and_moments_raise():
    state = {key: value for key, value in LAYER.state_dict().items() if "extra" not in key}
    layer = Normalize.fit(X + 1)
    missing, _ = layer.load_state_dict(state, strict=False)
    assert missing == ["_extra_state"]
    assert torch.equal(layer(X), LAYER(X))
    with pytest.raises(DataError, match=r"Received: buffers that were averaged, edited, or copied"):
        _ = layer.moments
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
        (older_extra_state(LAYER)[:-9], r"truncated: not JSON"),
        (LAYER.get_extra_state()[:99], r"exact statistics as written.*Received: bytes that were"),
        (torch.zeros(7, dtype=torch.uint8), r"b'frozen' or b'learning'"),
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


# ---- Size and versions of the extra state ------------------------------------------------


def random_bits(rows, columns):
    """Return float64 values of all magnitudes."""
    generator = torch.Generator().manual_seed(3)
    bits = torch.randint(-(2**63), 2**63 - 1, (rows, columns), generator=generator)
    return torch.where(bits.view(torch.float64).isfinite(), bits.view(torch.float64), 0.0)


@pytest.mark.parametrize("x", [X[:0], X[:1], X, X.double() * 1e30, random_bits(40, 5)])
def test_extra_state_has_one_size_for_any_data(x):
    layer = Normalize(5)
    layer(x)
    extra = layer.state_dict()["_extra_state"]
    assert extra.shape == Normalize(5).state_dict()["_extra_state"].shape
    assert extra.dtype == torch.uint8
    other = Normalize(5)
    other.load_state_dict(layer.state_dict())
    assert other.moments == layer.moments


def test_values_of_all_magnitudes_in_many_features_fit():
    x = random_bits(60, 150)
    layer = Normalize(150)
    layer(x)
    other = Normalize(150)
    other.load_state_dict(layer.state_dict())
    assert other.moments == evenly.fit(x)


def test_loaded_state_dict_has_the_same_bits():
    layer = Normalize(5)
    layer(X)
    other = Normalize(5)
    other.load_state_dict(layer.state_dict())
    for key, value in layer.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)


def test_state_dict_of_older_version_loads():
    layer = Normalize(5)
    layer(X)
    zeros = {name: torch.zeros(5, dtype=torch.float64) for name in ("hi", "lo", "scale")}
    for saved in (layer, LAYER, Normalize(5)):
        other = Normalize(5)
        other.load_state_dict({**zeros, "_extra_state": older_extra_state(saved)})
        assert other.moments == saved.moments
        assert other.frozen == saved.frozen
    assert not other._is_ready


VERSION_1 = (
    "ZXZlbmx5AAHscGV+dQWWZy+nyDT2ugIxeaEpr6Yo7cVFtLbMtleXCQEAAQAAAAAAAwAAAAAAAAAZAAAAAAAAADoA"
    "AAAAAAAAW251bGwsICJmbG9hdDMyIiwgW10sIFtdXQEAAgEGAAAAAAAAAPA/AAAAAAAAABBAAAIGAQICDQEEAgAA"
    "AAAAABxAAAAAAAAAAB5AAAIBHQQDpQE="
)


def test_extra_state_in_a_file_of_the_first_version_loads():
    content = base64.b64decode(VERSION_1)
    extra = torch.zeros_like(Normalize(2).get_extra_state())
    extra[: len(content)] = byte_tensor(content)
    layer = Normalize(2)
    layer.set_extra_state(extra)
    x = torch.tensor([[1.0, 7.0], [3.0, 7.5], [4.0, torch.nan]])
    assert layer.moments.to_bytes() == _without_sources(evenly.fit(x)).to_bytes()
    assert layer.frozen
    layer.set_extra_state(layer.get_extra_state())
    assert layer.moments == evenly.fit(x)


def _without_sources(moments):
    moments.sources = ()
    return moments


@pytest.mark.parametrize("position", [3, 12, 30, 41, 60, 90, 150])
def test_damaged_extra_state_is_not_used(position):
    extra = Normalize.fit(X[:, :2]).get_extra_state().clone()
    extra[position] += 1
    with pytest.raises(StatisticsFileError, match=r"(as written|frozen).*Received"):
        Normalize(2).set_extra_state(extra)
    with pytest.raises(RuntimeError, match=r"_extra_state: The extra state of Normalize\(2\)"):
        Normalize(2).load_state_dict({"_extra_state": extra}, strict=False)


def test_tensors_of_a_state_dict_loaded_in_place():
    """torch.distributed.checkpoint.load writes into the tensors of a state_dict."""
    layer = Normalize(5)
    for key, value in layer.state_dict().items():
        value.copy_(LAYER.state_dict()[key])
    assert layer.moments == evenly.fit(X)
    assert torch.equal(layer.eval()(X), LAYER(X))
    assert layer.frozen


def test_names_dtypes_sources_and_left_out_columns_travel():
    import pandas as pd

    frame = pd.DataFrame({"größe": [1.0, 2.0], "n": [1, 5], "name": ["a", "b"]})
    moments = evenly.fit(frame)
    moments.sources = ("a.csv", "b.csv")
    layer = Normalize(2)
    layer.load_state_dict(Normalize.from_moments(moments).state_dict())
    assert layer.moments.to_bytes() == moments.to_bytes()
    assert layer.moments.left_out == moments.left_out
    assert layer.moments.columns == ("größe", "n")


def test_sources_and_left_out_columns_are_shortened_visibly():
    moments = evenly.fit(X)
    moments.sources = tuple(f"/data/part-{i:06}.parquet" for i in range(3000))
    moments.left_out = {f"text {i}": "text" for i in range(5000)}
    layer = Normalize(5)
    layer.load_state_dict(Normalize.from_moments(moments).state_dict())
    assert layer.moments == moments
    number = len(layer.moments.sources) - 1
    assert layer.moments.sources == (*moments.sources[:number], f"and {3000 - number} more")
    number = len(layer.moments.left_out) - 1
    assert list(layer.moments.left_out.items())[-1] == (
        f"and {5000 - number} more",
        "there is no room for their names",
    )


def test_column_names_without_room_raise():
    moments = evenly.Moments.empty(["a" * 9000]).update([[1.0], [2.0]])
    with pytest.raises(DataError, match=r"bytes for the names.*Received: names of 9\d\d\d bytes"):
        Normalize.from_moments(moments)


def test_load_state_dict_changes_neither_layer_nor_state_dict_by_accident():
    state = {key: value.clone() for key, value in LAYER.state_dict().items()}
    layer = Normalize(5)
    layer.load_state_dict(state, assign=True)
    layer.unfreeze()(X + 1)
    other = Normalize(5)
    other.load_state_dict(LAYER.state_dict())
    assert other.moments == evenly.fit(X)


@pytest.mark.parametrize("layer", [Normalize(5), Normalize.fit(X)])
def test_layer_on_meta_device_keeps_its_statistics(layer):
    before = layer.moments
    moved = layer.to("meta")
    assert moved.exact.is_meta
    moved.to_empty(device="cpu")
    assert moved.moments == before
    moved.unfreeze().train()(X)
    assert moved.moments == evenly.merge([before, evenly.fit(X)])


def test_distributed_checkpoint_without_process_group(tmp_path):
    import torch.distributed.checkpoint as dcp

    for name, make in {
        "frozen": lambda: Normalize.fit(X),
        "learning": lambda: Normalize(5),
    }.items():
        saved = make()
        saved(X[:7])
        fresh = Normalize(5)
        state = fresh.state_dict()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no process group
            dcp.save(saved.state_dict(), checkpoint_id=tmp_path / name)
            dcp.load(state, checkpoint_id=tmp_path / name)
        assert fresh.moments == saved.moments
        fresh.load_state_dict(state)
        assert fresh.moments == saved.moments
        assert fresh.frozen == saved.frozen
