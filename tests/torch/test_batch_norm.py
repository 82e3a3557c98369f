"""The layers as a user meets them: torch's contract, and each extra."""

import copy
import inspect
import io
import pickle
from pathlib import Path

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
def test_a_layer_is_one_of_torchs(ours: type, theirs: type, shape: tuple[int, ...]) -> None:
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
def test_training_then_evaluating_is_as_with_torch(
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
def test_wrong_dimensions_are_refused_as_by_torch(
    ours: type, theirs: type, shape: tuple[int, ...]
) -> None:
    for wrong in (torch.zeros(3), torch.zeros(2, 3, 4, 5, 6, 7)):
        with pytest.raises(ValueError) as its:  # noqa: PT011
            theirs(3)(wrong)
        with pytest.raises(ValueError) as mine:  # noqa: PT011
            ours(3)(wrong)
        assert str(mine.value) == str(its.value)


def test_wrong_num_features_and_dtypes_are_refused_in_torchs_words() -> None:
    for x in (torch.zeros(4, 5), torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 3).long()):
        for training in (True, False):
            with pytest.raises(RuntimeError) as its:
                nn.BatchNorm1d(3).train(training)(x)
            with pytest.raises(RuntimeError) as mine:
                et.BatchNorm1d(3).train(training)(x)
            assert str(mine.value) == str(its.value)


def test_one_value_a_channel_is_torchs_error() -> None:
    with pytest.raises(DataError, match="Expected more than 1 value per channel when training"):
        et.BatchNorm1d(3)(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"got input size torch.Size\(\[1, 3, 1, 1\]\)"):
        et.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (4, 3, 0)], ids=str)
def test_a_batch_of_no_values_changes_nothing_but_the_count(shape: tuple[int, ...]) -> None:
    ours, theirs = et.BatchNorm1d(3), nn.BatchNorm1d(3)
    for layer in (ours, theirs):
        assert layer(torch.zeros(shape)).shape == shape
    for mine, its in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize(("lazy", "becomes", "shape"), LAZY, ids=str)
def test_a_lazy_layer_becomes_the_layer(lazy: type, becomes: type, shape: tuple[int, ...]) -> None:
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
def test_a_copy_has_statistics_and_extras(copied: object) -> None:
    layer = trained(**EXTRAS).freeze()
    other = copied(layer)
    assert repr(other) == repr(layer)
    assert torch.equal(other(rows(4, 3)), layer(rows(4, 3)))
    other.unfreeze()(rows(4, 3))
    torch.optim.SGD(other.parameters(), 0.0).step()
    assert not torch.equal(other.running_mean, layer.running_mean)  # the copy follows steps too


def test_weights_travel_between_torchs_layer_and_ours() -> None:
    ours, theirs = trained(), nn.BatchNorm1d(3)
    theirs.load_state_dict(ours.state_dict())
    assert near(theirs.eval()(rows(5, 3)), ours.eval()(rows(5, 3)))
    other = et.BatchNorm1d(3)
    other.load_state_dict(theirs.state_dict())
    assert torch.equal(other.eval()(rows(5, 3)), ours(rows(5, 3)))


def test_a_saved_layer_loads_with_weights_only() -> None:
    file = io.BytesIO()
    torch.save(trained().state_dict(), file)
    file.seek(0)
    et.BatchNorm1d(3).load_state_dict(torch.load(file, weights_only=True))


def test_functional_call_uses_what_it_is_given() -> None:
    layer, x = et.BatchNorm1d(3), rows(5, 3)
    given = {"weight": torch.full((3,), 2.0), "running_mean": torch.zeros(3)}
    y = functional_call(layer, given, (x,))
    assert near(y, 2 * layer(x))
    assert not torch.equal(given["running_mean"], torch.zeros(3))


def test_a_replica_of_data_parallel_normalises_alike() -> None:
    layer, x = trained().share_memory(), rows(5, 3)
    replica = layer._replicate_for_data_parallel()
    replica.weight, replica.bias = layer.weight, layer.bias  # which DataParallel does next
    assert torch.equal(replica(x), layer(x))


def test_a_parametrised_weight_is_used() -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    layer, x = et.BatchNorm1d(3), rows(5, 3)
    plain = layer(x)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Twice())
    assert near(layer(x), 2 * plain)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader_workers_do_not_disturb_training(context: str) -> None:
    data = TensorDataset(rows(40, 3))
    loader = DataLoader(data, batch_size=8, num_workers=1, multiprocessing_context=context)
    layer = et.BatchNorm1d(3)
    layer(rows(3000, 3))
    for (batch,) in loader:
        layer(batch)
    assert int(layer.num_batches_tracked) == 6


def test_autocast_takes_bfloat16_in_and_gives_it_back() -> None:
    net = nn.Sequential(nn.Linear(3, 3), et.BatchNorm1d(3))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(rows(64, 3))
    assert y.dtype == torch.bfloat16
    y.float().square().mean().backward()
    assert net[1].running_mean.dtype == torch.float32


@pytest.mark.parametrize("options", [{}, {"momentum": None}, EXTRAS | {"update": "batch"}], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_it_compiles_as_one_graph(options: dict, training: bool) -> None:
    ours, compiled = (trained(**options).train(training) for _ in range(2))
    whole = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    x = rows(8, 3)
    for _ in range(2):
        assert near(whole(x), ours(x))
    for mine, its in zip(compiled.buffers(), ours.buffers(), strict=True):
        assert near(mine, its)


@pytest.mark.parametrize("training", [True, False])
def test_it_exports(training: bool) -> None:
    layer, x = trained(momentum=None).train(training), rows(8, 3)
    expected = copy.deepcopy(layer)(x)
    assert near(torch.export.export(layer, (x,)).module()(x), expected)


@pytest.mark.filterwarnings("ignore")  # the exporter's own
@pytest.mark.parametrize(("ours", "theirs", "shape"), PAIRS[1:3], ids=str)
def test_evaluation_in_onnx_gives_its_numbers(
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
def test_an_unknown_choice_is_refused(option: str) -> None:
    with pytest.raises(DataError, match=f"{option} must be one of .*Received: 'never'"):
        et.BatchNorm1d(3, **{option: "never"})


def test_a_virtual_batch_of_one_is_refused() -> None:
    with pytest.raises(DataError, match="virtual_batch_size must be 2 or more"):
        et.BatchNorm1d(3, virtual_batch_size=1)


def test_the_repr_names_what_differs_from_torch() -> None:
    assert repr(et.BatchNorm1d(3)) == repr(nn.BatchNorm1d(3))
    assert repr(et.BatchNorm1d(3, update="step").freeze()).endswith("update='step', frozen=True)")


@pytest.mark.parametrize("samples", [4, 8, 9, 10])
def test_virtual_batches_are_batches_of_their_own(samples: int) -> None:
    """Of 9 samples the last one joins the batch before it, for it has no variance."""
    x, ghost, layer = rows(samples, 3), et.BatchNorm1d(3, virtual_batch_size=4), et.BatchNorm1d(3)
    sizes = {4: [4], 8: [4, 4], 9: [4, 5], 10: [4, 4, 2]}[samples]
    assert torch.equal(ghost(x), torch.cat([layer(part) for part in x.split(sizes)]))
    assert torch.equal(ghost.running_var, layer.running_var)
    assert ghost.num_batches_tracked == len(sizes)


def test_evaluation_knows_no_virtual_batches() -> None:
    ghost = trained(virtual_batch_size=4).eval()
    x = rows(8, 3)
    assert torch.equal(ghost(x)[4:], ghost(x[4:]))


def test_a_frozen_layer_uses_its_statistics_in_training_too() -> None:
    layer = trained()
    before, x = copy.deepcopy(layer.state_dict()), rows(5, 3)
    expected = layer.eval()(x)
    assert torch.equal(layer.freeze().train()(x), expected)
    assert all(
        torch.equal(a, b) for a, b in zip(layer.state_dict().values(), before.values(), strict=True)
    )
    layer.unfreeze()(x)
    assert layer.num_batches_tracked == before["num_batches_tracked"] + 1


def test_a_layer_without_statistics_cannot_be_frozen() -> None:
    with pytest.raises(DataError, match="needs running statistics to be frozen"):
        et.BatchNorm1d(3, track_running_stats=False).freeze()


def test_a_batch_of_one_may_use_the_running_statistics() -> None:
    layer = trained(single="running")
    before, x = layer.running_mean.clone(), rows(1, 3)
    y = layer(x)
    assert torch.equal(layer.running_mean, before)
    assert torch.equal(y, layer.eval()(x))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_skipped_and_counted(value: float) -> None:
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


def test_accumulated_batches_count_as_one_large_batch() -> None:
    x = rows(20, 3, offset=5)
    whole, parts = et.BatchNorm1d(3), et.BatchNorm1d(3, update="step")
    whole(x)
    optimizer = torch.optim.SGD(parts.parameters(), lr=0.0)
    for part in x.split([3, 7, 10]):
        parts(part).sum().backward()
    assert torch.equal(parts.running_mean, torch.zeros(3))
    optimizer.step()
    assert near(parts.running_mean, whole.running_mean)
    assert near(parts.running_var, whole.running_var)
    assert parts.num_batches_tracked == 1
    optimizer.step()  # nothing new
    assert parts.num_batches_tracked == 1


def test_another_models_step_is_not_a_layers() -> None:
    layer, other = et.BatchNorm1d(3, update="step"), nn.Linear(3, 3)
    layer(rows(5, 3))
    torch.optim.SGD(other.parameters(), lr=0.1).step()
    assert layer.num_batches_tracked == 0
    torch.optim.SGD([*other.parameters(), *layer.parameters()], lr=0.1).step()
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("update", ["batch", "step"])
def test_activation_checkpointing_counts_a_batch_once(update: str, reentrant: bool) -> None:
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
def test_padding_does_not_count(shape: tuple[int, ...], fill: float) -> None:
    """Whatever it holds: the rest is normalised as if it were alone; padding is 0, no gradient."""
    kind = {2: et.BatchNorm1d, 3: et.BatchNorm1d, 4: et.BatchNorm2d}[len(shape)]
    random = torch.Generator().manual_seed(3)
    mask = torch.rand((shape[0], *shape[2:]), generator=random) < 0.6
    layer, alone = kind(3), et.BatchNorm1d(3)
    x = rows(*shape, offset=4)
    over = mask.unsqueeze(1).expand(shape)
    x = torch.where(over, x, fill).requires_grad_()
    y = layer(x, mask=mask)
    valid = x.detach().movedim(1, -1)[mask].requires_grad_()
    expected = alone(valid)
    assert near(y.movedim(1, -1)[mask], expected)
    assert not y[~over].any()
    assert near(layer.running_mean, alone.running_mean)
    assert near(layer.running_var, alone.running_var)
    (gradient,) = torch.autograd.grad((y * y * y).sum(), x)
    (wanted,) = torch.autograd.grad((expected**3).sum(), valid)
    assert near(gradient.movedim(1, -1)[mask], wanted)
    assert not gradient[~over].any()


def test_lengths_are_masks() -> None:
    x, lengths = rows(4, 3, 6), torch.tensor([6, 0, 2, 5])
    mask = torch.arange(6) < lengths[:, None]
    assert torch.equal(et.BatchNorm1d(3)(x, lengths=lengths), et.BatchNorm1d(3)(x, mask=mask))


def test_a_mask_over_samples_takes_whole_ones() -> None:
    x, mask = rows(4, 3, 6), torch.tensor([True, False, True, True])
    assert near(et.BatchNorm1d(3)(x, mask=mask)[mask], et.BatchNorm1d(3)(x[mask]))


def test_all_padding_moves_nothing_and_has_gradients_of_zero() -> None:
    layer, x = et.BatchNorm1d(3), rows(4, 3).requires_grad_()
    y = layer(x, mask=torch.zeros(4, dtype=torch.bool))
    y.sum().backward()
    assert not y.any()
    assert not x.grad.any()
    assert not layer.weight.grad.any()
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": torch.ones(4)}, "mask must be boolean"),
        ({"mask": torch.ones(5, dtype=torch.bool)}, "mask must have the shape"),
        ({"mask": torch.ones(4, 3, 6, dtype=torch.bool)}, "mask must have the shape"),
        ({"lengths": torch.ones(4)}, "lengths must be whole numbers"),
        ({"lengths": torch.ones(3, dtype=torch.long)}, "lengths must be whole numbers"),
        (
            {"lengths": torch.ones(4).long(), "mask": torch.ones(4, dtype=torch.bool)},
            "Received: both",
        ),
    ],
)
def test_a_wrong_mask_is_refused(given: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        et.BatchNorm1d(3)(rows(4, 3, 6), **given)
