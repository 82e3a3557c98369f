"""Tests of the batch norm layers: torch's contract, and each additional option."""

import copy
import inspect
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import evenly.torch as et
from evenly.errors import DataError

PAIRS = [
    (et.BatchNorm1d, nn.BatchNorm1d, (6, 3)),
    (et.BatchNorm1d, nn.BatchNorm1d, (6, 3, 4)),
    (et.BatchNorm2d, nn.BatchNorm2d, (6, 3, 4, 5)),
    (et.BatchNorm3d, nn.BatchNorm3d, (6, 3, 2, 3, 2)),
]
LAZY = [
    (et.LazyBatchNorm1d, et.BatchNorm1d, (6, 3)),
    (et.LazyBatchNorm2d, et.BatchNorm2d, (6, 3, 4, 5)),
    (et.LazyBatchNorm3d, et.BatchNorm3d, (6, 3, 2, 3, 2)),
]
over_pairs = pytest.mark.parametrize(("ours", "theirs", "shape"), PAIRS, ids=str)


def rows(*shape: int, seed: int = 1, offset: float = 0.0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + offset


def near(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- torch's contract --------------------------------------------------------------------


@over_pairs
def test_layer_subclasses_torch_layer_with_its_signature(
    ours: type, theirs: type, shape: tuple[int, ...]
) -> None:
    layer = ours(3)
    assert isinstance(layer, theirs)
    assert list(layer.state_dict()) == list(theirs(3).state_dict())
    mine, its = (inspect.signature(c).parameters for c in (ours, theirs))
    assert [(n, p.default) for n, p in mine.items()][: len(its)] == [
        (n, p.default) for n, p in its.items()
    ]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(mine.values())[len(its) :])


@over_pairs
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"momentum": 0.3, "eps": 1e-3},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
        {"dtype": torch.float64},
    ],
    ids=str,
)
def test_training_and_evaluation_equal_torch(
    ours: type, theirs: type, shape: tuple[int, ...], options: dict
) -> None:
    layers = ours(3, **options), theirs(3, **options)
    dtype = options.get("dtype", torch.float32)
    for seed in range(3):
        x = rows(*shape, seed=seed).to(dtype)
        assert near(*(layer(x) for layer in layers))
    for mine, its in zip(
        layers[0].state_dict().values(), layers[1].state_dict().values(), strict=True
    ):
        assert mine.dtype == its.dtype
        assert near(mine, its)
    layers[0].eval(), layers[1].eval()
    assert near(*(layer(x) for layer in layers))


@over_pairs
def test_wrong_dimensions_raise_torchs_error(
    ours: type, theirs: type, shape: tuple[int, ...]
) -> None:
    for wrong in (torch.zeros(3), torch.zeros(2, 3, 4, 5, 6, 7)):
        with pytest.raises(ValueError) as its:  # noqa: PT011
            theirs(3)(wrong)
        with pytest.raises(ValueError) as mine:  # noqa: PT011
            ours(3)(wrong)
        assert str(mine.value) == str(its.value)


@pytest.mark.parametrize("layer", [et.BatchNorm1d, et.BatchNorm3d, et.SyncBatchNorm])
@pytest.mark.parametrize(
    ("number", "received"),
    [
        (np.zeros((3, 4)), r"ndarray of shape \(3, 4\)"),
        (torch.zeros(3, 4), r"Tensor of shape \(3, 4\)"),
        ([1, 2], "list of length 2"),
        ((3,), "tuple of length 1"),
        (3.0, "3.0"),
        (True, "True"),
        (None, "None"),
        (-1, "-1"),
    ],
    ids=str,
)
def test_num_features_must_be_an_integer(layer: type, number: object, received: str) -> None:
    message = (
        rf"^num_features must be an integer, 0 or more\. Received: {received}\. "
        r"Pass the number of channels, x\.shape\[1\], and call the layer with the data\.$"
    )
    with pytest.raises(DataError, match=message):
        layer(number)


@pytest.mark.parametrize("number", [3, np.int64(3), torch.tensor(3)], ids=type)
def test_num_features_may_be_any_integer(number: object) -> None:
    assert type(et.BatchNorm1d(number).num_features) is int
    assert et.SyncBatchNorm(number).weight.shape == (3,)


def test_wrong_num_features_and_dtypes_raise_torchs_error() -> None:
    for x in (torch.zeros(4, 5), torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 3).long()):
        for training in (True, False):
            with pytest.raises(RuntimeError) as its:
                nn.BatchNorm1d(3).train(training)(x)
            with pytest.raises(RuntimeError) as mine:
                et.BatchNorm1d(3).train(training)(x)
            assert str(mine.value) == str(its.value)


def test_single_value_per_channel_raises_torchs_error() -> None:
    with pytest.raises(DataError, match="Expected more than 1 value per channel when training"):
        et.BatchNorm1d(3)(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"got input size torch.Size\(\[1, 3, 1, 1\]\)"):
        et.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


ONE_ROW = "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])"


@pytest.mark.parametrize("layer_class", [et.BatchNorm1d, et.LazyBatchNorm1d, et.SyncBatchNorm])
def test_error_for_one_row_says_how_to_allow_it(layer_class: Any) -> None:
    layer = layer_class() if layer_class is et.LazyBatchNorm1d else layer_class(3)
    with pytest.raises(DataError) as caught:
        layer(torch.zeros(1, 3))
    assert str(caught.value) == (
        f'{ONE_ROW}. Set single="running" in the constructor or as layer.single = "running" to '
        "normalize such a batch with the running statistics, or drop it with drop_last=True in the "
        "DataLoader."
    )
    layer.single = "running"
    assert torch.equal(layer(torch.zeros(1, 3)), layer.eval()(torch.zeros(1, 3)))


@pytest.mark.parametrize("options", [{}, {"single": "running"}, {"virtual_batch_size": 2}])
def test_error_for_one_row_without_running_statistics(options: dict[str, Any]) -> None:
    layer = et.BatchNorm1d(3, track_running_stats=False, **options)
    with pytest.raises(DataError) as caught:
        layer(torch.zeros(1, 3))
    assert str(caught.value) == (
        f"{ONE_ROW}. Pass larger batches: the layer has no running statistics to use instead."
    )


def test_error_of_function_for_one_row() -> None:
    with pytest.raises(DataError, match=r"training=False to use the running statistics\.$"):
        et.functional.batch_norm(torch.zeros(1, 3), None, None, training=True)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (4, 3, 0)], ids=str)
def test_empty_batch_only_changes_num_batches_tracked(shape: tuple[int, ...]) -> None:
    ours, theirs = et.BatchNorm1d(3), nn.BatchNorm1d(3)
    for layer in (ours, theirs):
        assert layer(torch.zeros(shape)).shape == shape
    for mine, its in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (4, 3, 0)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("options", [{}, {"track_running_stats": False}, {"bias": False}], ids=str)
def test_empty_batch_has_gradients_of_zero(
    shape: tuple[int, ...], dtype: torch.dtype, options: dict[str, bool]
) -> None:
    """As torch's: `DistributedDataParallel` waits for them, and weight decay needs them."""
    layer = et.BatchNorm1d(3, **options)
    y = layer(torch.zeros(shape, dtype=dtype))
    assert y.dtype is dtype
    y.sum().backward()
    for parameter in layer.parameters():
        assert torch.equal(parameter.grad, torch.zeros(3))


@pytest.mark.parametrize(("lazy", "becomes", "shape"), LAZY, ids=str)
def test_lazy_layer_becomes_batch_norm(lazy: type, becomes: type, shape: tuple[int, ...]) -> None:
    layer = lazy(momentum=0.5, single="running")
    y = layer(rows(*shape))
    assert type(layer) is becomes
    assert layer.num_features == 3
    assert layer.single == "running"
    assert near(y, becomes(3)(rows(*shape)))


# ---- Copies, moves and containers --------------------------------------------------------


def trained(**options: object) -> et.BatchNorm1d:
    layer = et.BatchNorm1d(3, **options)
    layer(rows(9, 3, offset=2))
    return layer


EXTRAS = {"non_finite": "skip", "single": "running", "update": "step", "virtual_batch_size": 4}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_and_pickle_keep_statistics_and_options(copied: object) -> None:
    layer = trained(**EXTRAS).freeze()
    other = copied(layer)
    assert repr(other) == repr(layer)
    assert torch.equal(other(rows(4, 3)), layer(rows(4, 3)))
    other.unfreeze()(rows(4, 3))
    torch.optim.SGD(other.parameters(), 0.0).step()
    assert not torch.equal(other.running_mean, layer.running_mean)  # the copy follows steps too


def test_state_dict_is_interchangeable_with_torch() -> None:
    ours, theirs = trained(), nn.BatchNorm1d(3)
    theirs.load_state_dict(ours.state_dict())
    assert near(theirs.eval()(rows(5, 3)), ours.eval()(rows(5, 3)))
    other = et.BatchNorm1d(3)
    other.load_state_dict(theirs.state_dict())
    assert torch.equal(other.eval()(rows(5, 3)), ours(rows(5, 3)))


def test_state_dict_loads_with_weights_only() -> None:
    file = io.BytesIO()
    torch.save(trained().state_dict(), file)
    file.seek(0)
    et.BatchNorm1d(3).load_state_dict(torch.load(file, weights_only=True))


def test_functional_call_uses_given_tensors() -> None:
    layer, x = et.BatchNorm1d(3), rows(5, 3)
    tensors = {"weight": torch.full((3,), 2.0), "running_mean": torch.zeros(3)}
    y = functional_call(layer, tensors, (x,))
    assert near(y, 2 * layer(x))
    assert not torch.equal(tensors["running_mean"], torch.zeros(3))


def test_data_parallel_replica_equals_layer() -> None:
    layer, x = trained().share_memory(), rows(5, 3)
    replica = layer._replicate_for_data_parallel()
    replica.weight, replica.bias = layer.weight, layer.bias  # as DataParallel does
    assert torch.equal(replica(x), layer(x))


def test_parametrized_weight_is_used() -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    layer, x = et.BatchNorm1d(3), rows(5, 3)
    plain = layer(x)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Twice())
    assert near(layer(x), 2 * plain)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_training_with_data_loader_workers(context: str) -> None:
    data = TensorDataset(rows(40, 3))
    loader = DataLoader(data, batch_size=8, num_workers=1, multiprocessing_context=context)
    layer = et.BatchNorm1d(3)
    layer(rows(3000, 3))
    for (batch,) in loader:
        layer(batch)
    assert int(layer.num_batches_tracked) == 6


def test_autocast_returns_bfloat16() -> None:
    net = nn.Sequential(nn.Linear(3, 3), et.BatchNorm1d(3))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(rows(64, 3))
    assert y.dtype == torch.bfloat16
    y.float().square().mean().backward()
    assert net[1].running_mean.dtype == torch.float32


@pytest.mark.parametrize("options", [{}, {"momentum": None}, EXTRAS | {"update": "batch"}], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_layer_compiles_with_fullgraph(options: dict, training: bool) -> None:
    ours, compiled = (trained(**options).train(training) for _ in range(2))
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    x = rows(8, 3)
    for _ in range(2):
        assert near(function(x), ours(x))
    for mine, its in zip(compiled.buffers(), ours.buffers(), strict=True):
        assert near(mine, its)


@pytest.mark.parametrize("training", [True, False])
def test_layer_exports(training: bool) -> None:
    layer, x = trained(momentum=None).train(training), rows(8, 3)
    expected = copy.deepcopy(layer)(x)
    assert near(torch.export.export(layer, (x,)).module()(x), expected)


@pytest.mark.filterwarnings("ignore")  # raised by the exporter
@pytest.mark.parametrize(("ours", "theirs", "shape"), PAIRS[1:3], ids=str)
def test_onnx_evaluation_equals_layer(
    ours: type, theirs: type, shape: tuple[int, ...], tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    net, x = nn.Sequential(ours(3), nn.ReLU()), rows(*shape, offset=1e5)
    net(x)
    path = tmp_path / "net.onnx"
    torch.onnx.export(net.eval(), (x,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert near(torch.from_numpy(y), net(x))


# ---- Extras ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["non_finite", "single", "update"])
def test_unknown_option_value_raises(option: str) -> None:
    with pytest.raises(DataError, match=f"{option} must be .*Received: 'never'"):
        et.BatchNorm1d(3, **{option: "never"})


@pytest.mark.parametrize("size", [1, 2.5, "32"])
def test_virtual_batch_size_that_is_no_size_raises(size: object) -> None:
    with pytest.raises(DataError, match="virtual_batch_size must be an integer, 2 or more"):
        et.BatchNorm1d(3, virtual_batch_size=size)


def test_repr_lists_changed_options() -> None:
    assert repr(et.BatchNorm1d(3)) == f"evenly.torch.{nn.BatchNorm1d(3)!r}"
    assert repr(et.BatchNorm1d(3, update="step").freeze()).endswith("update='step', frozen=True)")


@pytest.mark.parametrize("samples", [4, 8, 9, 10])
def test_virtual_batches_equal_separate_batches(samples: int) -> None:
    """The last of 9 samples joins the batch before it, because it has no variance."""
    x, ghost, layer = rows(samples, 3), et.BatchNorm1d(3, virtual_batch_size=4), et.BatchNorm1d(3)
    sizes = {4: [4], 8: [4, 4], 9: [4, 5], 10: [4, 4, 2]}[samples]
    assert torch.equal(ghost(x), torch.cat([layer(batch) for batch in x.split(sizes)]))
    assert torch.equal(ghost.running_var, layer.running_var)
    assert ghost.num_batches_tracked == len(sizes)


def test_evaluation_ignores_virtual_batch_size() -> None:
    ghost = trained(virtual_batch_size=4).eval()
    x = rows(8, 3)
    assert torch.equal(ghost(x)[4:], ghost(x[4:]))


def test_frozen_layer_uses_running_statistics_in_training() -> None:
    layer = trained()
    before, x = copy.deepcopy(layer.state_dict()), rows(5, 3)
    expected = layer.eval()(x)
    assert torch.equal(layer.freeze().train()(x), expected)
    assert all(
        torch.equal(a, b) for a, b in zip(layer.state_dict().values(), before.values(), strict=True)
    )
    layer.unfreeze()(x)
    assert layer.num_batches_tracked == before["num_batches_tracked"] + 1


def test_freeze_without_running_statistics_raises() -> None:
    with pytest.raises(DataError, match="needs running statistics to be frozen"):
        et.BatchNorm1d(3, track_running_stats=False).freeze()


def test_single_running_normalizes_single_value_with_running_statistics() -> None:
    layer = trained(single="running")
    before, x = layer.running_mean.clone(), rows(1, 3)
    y = layer(x)
    assert torch.equal(layer.running_mean, before)
    assert torch.equal(y, layer.eval()(x))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_skip_skips_and_counts_batch(value: float) -> None:
    layer = trained(non_finite="skip")
    before = copy.deepcopy(layer.state_dict())
    bad = rows(5, 3)
    bad[2, 1] = value
    layer(bad)
    assert all(
        torch.equal(a, b) for a, b in zip(layer.state_dict().values(), before.values(), strict=True)
    )
    assert layer.skipped == 1
    layer(rows(5, 3))
    assert layer.num_batches_tracked == before["num_batches_tracked"] + 1
    layer.reset_running_stats()
    assert layer.skipped == 0


def test_update_step_equals_one_large_batch() -> None:
    x = rows(20, 3, offset=5)
    single, accumulated = et.BatchNorm1d(3), et.BatchNorm1d(3, update="step")
    single(x)
    optimizer = torch.optim.SGD(accumulated.parameters(), lr=0.0)
    for batch in x.split([3, 7, 10]):
        accumulated(batch).sum().backward()
    assert torch.equal(accumulated.running_mean, torch.zeros(3))
    optimizer.step()
    assert near(accumulated.running_mean, single.running_mean)
    assert near(accumulated.running_var, single.running_var)
    assert accumulated.num_batches_tracked == 1
    optimizer.step()  # without a new batch
    assert accumulated.num_batches_tracked == 1


@pytest.mark.parametrize("training", [True, False])
def test_update_bn_updates_layers_that_wait_for_a_step(training: bool) -> None:
    """It runs no optimizer, and sets momentum=None: the statistics stayed 0 and 1."""
    batches = rows(24, 3, offset=5).split(8)
    model, other = (nn.Sequential(x(3)) for x in (et.BatchNorm1d, nn.BatchNorm1d))
    et.convert(model, update="step").train(training)
    for each in (model, other):
        torch.optim.swa_utils.update_bn(batches, each)
    assert model[0].momentum == 0.1
    assert model[0].num_batches_tracked == 3
    assert near(model[0].running_mean, other[0].running_mean)
    assert near(model[0].running_var, other[0].running_var)


def test_update_step_ignores_other_optimizers() -> None:
    layer, other = et.BatchNorm1d(3, update="step"), nn.Linear(3, 3)
    layer(rows(5, 3))
    torch.optim.SGD(other.parameters(), lr=0.1).step()
    assert layer.num_batches_tracked == 0
    torch.optim.SGD([*other.parameters(), *layer.parameters()], lr=0.1).step()
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("update", ["batch", "step"])
def test_activation_checkpointing_updates_once_per_batch(update: str, reentrant: bool) -> None:
    layer, x = et.BatchNorm1d(3, update=update), rows(5, 3).requires_grad_()
    expected = et.BatchNorm1d(3)
    expected(x)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    checkpoint(layer, x, use_reentrant=reentrant).sum().backward()
    optimizer.step()
    assert layer.num_batches_tracked == 1
    assert near(layer.running_mean, expected.running_mean)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5), (6, 3, 4, 2)], ids=str)
@pytest.mark.parametrize("fill", [1e9, float("nan")])
def test_mask_excludes_padding(shape: tuple[int, ...], fill: float) -> None:
    """The valid values are normalized as if alone; padding becomes 0 without a gradient."""
    layer_class = {2: et.BatchNorm1d, 3: et.BatchNorm1d, 4: et.BatchNorm2d}[len(shape)]
    random = torch.Generator().manual_seed(3)
    mask = torch.rand((shape[0], *shape[2:]), generator=random) < 0.6
    layer, alone = layer_class(3), et.BatchNorm1d(3)
    x = rows(*shape, offset=4)
    counts = mask.unsqueeze(1).expand(shape)
    x = torch.where(counts, x, fill).requires_grad_()
    y = layer(x, mask=mask)
    valid = x.detach().movedim(1, -1)[mask].requires_grad_()
    expected = alone(valid)
    assert near(y.movedim(1, -1)[mask], expected)
    assert not y[~counts].any()
    assert near(layer.running_mean, alone.running_mean)
    assert near(layer.running_var, alone.running_var)
    (gradient,) = torch.autograd.grad((y * y * y).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected**3).sum(), valid)
    assert near(gradient.movedim(1, -1)[mask], expected_gradient)
    assert not gradient[~counts].any()


def test_lengths_equal_mask() -> None:
    x, lengths = rows(4, 3, 6), torch.tensor([6, 0, 2, 5])
    mask = torch.arange(6) < lengths[:, None]
    assert torch.equal(et.BatchNorm1d(3)(x, lengths=lengths), et.BatchNorm1d(3)(x, mask=mask))


def test_mask_over_samples_excludes_whole_samples() -> None:
    x, mask = rows(4, 3, 6), torch.tensor([True, False, True, True])
    assert near(et.BatchNorm1d(3)(x, mask=mask)[mask], et.BatchNorm1d(3)(x[mask]))


def test_batch_of_padding_has_no_update_and_zero_gradients() -> None:
    layer, x = et.BatchNorm1d(3), rows(4, 3).requires_grad_()
    y = layer(x, mask=torch.zeros(4, dtype=torch.bool))
    y.sum().backward()
    assert not y.any()
    assert not x.grad.any()
    assert not layer.weight.grad.any()
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        ({"mask": torch.ones(4)}, "mask must be a boolean tensor.*Received: torch.float32"),
        ({"mask": [True] * 4}, "mask must be a boolean tensor.*Received: list"),
        ({"lengths": [6, 2, 2, 5]}, r"lengths must be a tensor.*Received: list.*torch.tensor\("),
        ({"lengths": torch.tensor([7, 2, 2, 5])}, "the length of the input, 6. Received: 2 to 7"),
        ({"lengths": torch.tensor([6, 2, -1, 5])}, "the length of the input, 6. Received: -1 to 6"),
        ({"mask": torch.ones(5, dtype=torch.bool)}, "mask must have the shape"),
        ({"mask": torch.ones(4, 3, 6, dtype=torch.bool)}, "mask must have the shape"),
        ({"lengths": torch.ones(4)}, "lengths must be integers"),
        ({"lengths": torch.ones(3, dtype=torch.long)}, "lengths must be integers"),
        (
            {"lengths": torch.ones(4).long(), "mask": torch.ones(4, dtype=torch.bool)},
            "Received: both",
        ),
    ],
)
def test_invalid_mask_raises(padding: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        et.BatchNorm1d(3)(rows(4, 3, 6), **padding)
