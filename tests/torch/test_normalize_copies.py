"""Tests of `Normalize` in copies of a model: the buffers decide, and `moments` is never stale."""

import copy
import importlib.metadata
import importlib.util
import io
import pickle
import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader

import evenly
from evenly import DataError, Moments
from evenly.torch import Denormalize, Normalize

GENERATOR = torch.Generator().manual_seed(11)
BATCHES = [
    torch.randn(8, 3, generator=GENERATOR) + 100,
    *(torch.randn(8, 3, generator=GENERATOR) * 5 + 120 for _ in range(7)),
]
X = torch.cat(BATCHES)
UNKNOWN = r"must be those of its buffers.*Received: buffers that were averaged, edited, or copied"


def model_of(layer: nn.Module | None = None) -> nn.Sequential:
    return nn.Sequential(layer or Normalize(3), nn.Linear(3, 2))


def train(model: nn.Module, batches: Any, after: Any = lambda model: None) -> nn.Module:
    for batch in batches:
        model(batch)
        after(model)
    return model


def average_state_dicts(average: nn.Module, model: nn.Module, decay: float) -> None:
    """The update of timm's ModelEmaV2: every value, integers too."""
    values = average.state_dict().values(), model.state_dict().values()
    for mine, new in zip(*values, strict=True):
        mine.copy_(decay * mine + (1 - decay) * new)


def average_floats(average: nn.Module, model: nn.Module, decay: float) -> None:
    """The update of Ultralytics' ModelEMA: floating-point values only."""
    new = model.state_dict()
    for key, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value *= decay
            value += (1 - decay) * new[key].detach()


def is_close(average: nn.Module, model: nn.Module) -> bool:
    y, expected = average.eval()[0](X), model.eval()[0](X)
    return bool((y - expected).abs().max() < 1e-5)


# ---- Copies of all buffers ---------------------------------------------------------------


@pytest.mark.parametrize("begin", [0, 1, 4])
def test_averaged_model_evaluates_with_statistics_of_model(begin):
    model = train(model_of(), BATCHES[:begin])
    average = AveragedModel(model)
    train(model, BATCHES[begin:], average.update_parameters)
    assert torch.equal(average.eval().module[0](X), model.eval()[0](X))
    assert average.module[0].moments == model[0].moments == evenly.fit(X)


@pytest.mark.parametrize(
    "change", [nn.Module.eval, nn.Module.train, nn.Module.double, nn.Module.half]
)
def test_changes_of_a_copy_do_not_undo_copied_buffers(change):
    model = model_of()
    average = AveragedModel(model)
    train(model, BATCHES, average.update_parameters)
    change(average)
    average.module[0].eval()
    assert torch.equal(average.module[0](X), model.eval()[0](X))


def test_copy_of_frozen_layer_is_frozen():
    model = train(model_of(), BATCHES)
    average = AveragedModel(model)
    model[0].freeze()
    average.update_parameters(model)
    average.train()
    average(X)
    assert average.module[0].moments == evenly.fit(X)
    assert average.module[0].frozen


def test_update_bn_of_averaged_model_adds_the_batches():
    model = model_of()
    average = AveragedModel(model)
    train(model, BATCHES, average.update_parameters)
    average.module.append(nn.BatchNorm1d(2))
    update_bn(DataLoader(X, batch_size=8), average)
    assert average.module[0].moments == evenly.fit(torch.cat([X, X]))


def test_copied_buffers_are_adopted_by_a_layer_that_has_learned():
    layer, other = Normalize(3), Normalize.fit(X)
    layer(X + 7)
    for mine, new in zip(layer.buffers(), other.buffers(), strict=True):
        mine.data.copy_(new.data)
    assert layer.moments == evenly.fit(X)
    assert torch.equal(layer.eval()(X), other(X))
    layer.unfreeze().train()(X)
    assert layer.moments == evenly.fit(torch.cat([X, X]))


def test_functional_call_keeps_statistics_in_the_given_buffers():
    layer = Normalize(3)
    state = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    for batch in BATCHES:
        torch.func.functional_call(layer, state, (batch,))
    assert layer.moments.rows == 0
    layer.load_state_dict({"_extra_state": state.pop("exact"), **state})
    assert layer.moments == evenly.fit(X)


@pytest.mark.parametrize("begin", [0, 3])
def test_ema_pytorch(begin):
    ema_pytorch = pytest.importorskip("ema_pytorch")
    model = train(model_of(), BATCHES[:begin])
    average = ema_pytorch.EMA(model, beta=0.5, update_after_step=0, update_every=1)
    train(model, BATCHES[begin:], lambda _: average.update())
    layer = average.ema_model[0].eval()
    assert (layer(X) - model[0].eval()(X)).abs().max() < 1.5  # half of the change of the last steps
    for _ in range(60):
        average.update()
    assert is_close(average.ema_model, model)


def test_ema_pytorch_of_fitted_layer_is_exact():
    ema_pytorch = pytest.importorskip("ema_pytorch")
    model = model_of(Normalize.fit(X))
    average = ema_pytorch.EMA(model, update_after_step=0, update_every=1)
    for _ in range(5):
        average.update()
    assert torch.equal(average.ema_model[0](X), model[0](X))
    assert average.ema_model[0].moments == evenly.fit(X)


# ---- Averages ----------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [0, 3])
@pytest.mark.parametrize("update", [average_state_dicts, average_floats])
def test_average_of_state_dicts_evaluates_with_averaged_constants(begin, update):
    model = train(model_of(), BATCHES[:begin])
    average = copy.deepcopy(model).eval()
    train(model, BATCHES[begin:], lambda model: update(average, model, 0.5))
    hi = average[0].hi.clone()
    assert (average[0](X) - model.eval()[0](X)).abs().max() < 1.5
    assert torch.equal(average.train().eval()[0].hi, hi)
    for _ in range(60):
        update(average, model, 0.5)
    assert is_close(average, model)


@pytest.mark.parametrize("update", [average_state_dicts, average_floats])
def test_moments_of_an_average_raise(update):
    model = train(model_of(), BATCHES[:3])
    average = copy.deepcopy(model)
    train(model, BATCHES[3:], lambda model: update(average, model, 0.5))
    with pytest.raises(DataError, match=UNKNOWN):
        _ = average[0].moments
    assert model[0].moments == evenly.fit(X)
    with pytest.raises(DataError, match=UNKNOWN):
        _ = copy.deepcopy(average)[0].moments
    average[0].moments = model[0].moments
    assert average[0].moments == evenly.fit(X)
    assert torch.equal(average[0].eval()(X), model[0].eval()(X))


@pytest.mark.parametrize("avg_fn", [None, get_ema_multi_avg_fn(0.5)])
def test_averaged_model_with_buffers(avg_fn):
    model = model_of()
    average = AveragedModel(model, multi_avg_fn=avg_fn, use_buffers=True)
    train(model, BATCHES, average.update_parameters)
    assert (average.module[0].eval()(X) - model.eval()[0](X)).abs().max() < 3
    with pytest.raises(DataError, match=UNKNOWN):
        _ = average.module[0].moments


def test_average_in_training_warns_and_does_not_learn():
    model = train(model_of(), BATCHES)
    average = copy.deepcopy(model)
    train(model, BATCHES, lambda model: average_floats(average, model, 0.5))
    expected = average.eval()[0](X)
    with pytest.warns(UserWarning, match=r"can only learn if the exact statistics.*not added"):
        assert torch.equal(average.train()[0](X), expected)
    average[0].freeze()
    assert torch.equal(average[0](X), expected)
    assert average[0].frozen


def test_inverse_of_an_average_undoes_it():
    model = train(model_of(), BATCHES)
    average = copy.deepcopy(model)
    train(model, BATCHES, lambda model: average_floats(average, model, 0.5))
    layer = average.eval()[0]
    inverse = layer.inverse()
    torch.testing.assert_close(inverse(layer(X)), X)
    assert isinstance(inverse, Denormalize)
    with pytest.raises(DataError, match=UNKNOWN):
        _ = inverse.moments


def test_edited_buffers_are_used_and_moments_raise():
    layer = Normalize.fit(X)
    layer.hi.add_(10)
    assert torch.equal(
        layer.eval()(X + 10).round(decimals=4), Normalize.fit(X)(X).round(decimals=4)
    )
    with pytest.raises(DataError, match=UNKNOWN):
        _ = layer.moments


def edit_by_data(buffer: torch.Tensor) -> None:
    buffer.data.add_(1)


def edit_by_numpy(buffer: torch.Tensor) -> None:
    buffer.numpy()[-1] += 1


def edit_by_storage(buffer: torch.Tensor) -> None:
    torch.tensor([], dtype=buffer.dtype).set_(buffer.untyped_storage()).add_(1)


def edit_with_version(buffer: torch.Tensor) -> None:
    buffer.add_(1)


def replace_memory(buffer: torch.Tensor) -> None:
    buffer.data = buffer.data + 1


def swap_storage(buffer: torch.Tensor) -> None:
    buffer.set_((buffer + 1).untyped_storage())


EDITS = (
    edit_by_data,
    edit_by_numpy,
    edit_by_storage,
    edit_with_version,
    replace_memory,
    swap_storage,
)


@pytest.mark.parametrize("name", ["hi", "lo", "scale"])
@pytest.mark.parametrize("edit", EDITS)
def test_moments_are_not_stale_after_any_kind_of_edit(edit, name):
    """Most of them do not change the version counter of the tensor."""
    layer = train(Normalize(3), BATCHES)
    edit(layer.get_buffer(name))
    constants = [layer.hi.clone(), layer.lo.clone(), layer.scale.clone()]
    with pytest.warns(UserWarning, match=r"can only learn if the exact statistics.*not added"):
        y = layer(X)
    hi, lo, scale = constants
    torch.testing.assert_close(y, ((X.double() - hi - lo) * scale).float())
    assert all(map(torch.equal, constants, (layer.hi, layer.lo, layer.scale)))
    with pytest.raises(DataError, match=UNKNOWN):
        _ = layer.moments


def test_layer_learns_into_memory_that_was_replaced_with_the_same_values():
    layer = train(Normalize(3), BATCHES[:4])
    for buffer in layer.buffers():
        buffer.data = buffer.data.clone()
    for buffer in layer.buffers():
        buffer.share_memory_()
    train(layer, BATCHES[4:])
    assert layer.moments == evenly.fit(X)
    assert torch.equal(layer.eval()(X), Normalize.fit(X)(X))


def test_copy_does_not_write_into_the_memory_of_its_original():
    layer = train(Normalize(3), BATCHES[:4])
    before = [buffer.clone() for buffer in layer.buffers()]
    train(copy.deepcopy(layer), BATCHES[4:])
    assert all(map(torch.equal, before, layer.buffers()))


def test_average_of_layers_without_statistics_has_none():
    model, average = model_of(), model_of()
    for _ in range(3):
        average_state_dicts(average, model, 0.9)
    with pytest.raises(DataError, match=r"needs statistics"):
        average.eval()(X)
    assert train(average.train(), BATCHES)[0].moments == evenly.fit(X)


@pytest.mark.parametrize("cast", [False, True])
def test_mean_of_two_state_dicts_loads_and_evaluates(cast):
    first, second = Normalize.fit(X), Normalize.fit(X + 2)
    state = {
        key: (value + second.state_dict()[key]) / 2 for key, value in first.state_dict().items()
    }
    if cast:
        state["_extra_state"] = state["_extra_state"].to(torch.uint8)
    layer = Normalize(3)
    layer.load_state_dict(state)
    torch.testing.assert_close(layer.eval()(X + 1), first(X), rtol=0, atol=1e-4)
    with pytest.raises(DataError, match=UNKNOWN):
        _ = layer.moments


@pytest.mark.parametrize("assign", [False, True])
def test_state_dict_of_an_average_keeps_its_constants(assign):
    model = train(model_of(), BATCHES[:3])
    average = copy.deepcopy(model)
    train(model, BATCHES[3:], lambda model: average_floats(average, model, 0.5))
    resumed = model_of()
    resumed.load_state_dict(average.state_dict(), assign=assign)
    assert torch.equal(resumed[0].eval()(X), average[0].eval()(X))
    with pytest.raises(DataError, match=UNKNOWN):
        _ = resumed[0].moments


# ---- timm --------------------------------------------------------------------------------


def timm_model_ema() -> Any:
    """Import one file of timm, which needs torch alone; the package needs torchvision too."""
    try:
        folder = importlib.metadata.distribution("timm").locate_file("timm")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("timm is not installed")
    location = f"{folder}/utils/model_ema.py"
    spec = importlib.util.spec_from_file_location("timm_model_ema", location)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("begin", [0, 3])
@pytest.mark.parametrize("version", ["ModelEmaV2", "ModelEmaV3"])
def test_timm_model_ema(version, begin):
    model = train(model_of(), BATCHES[:begin])
    average = getattr(timm_model_ema(), version)(model, decay=0.5)
    train(model, BATCHES[begin:], average.update)
    layer = average.module[0].eval()
    assert (layer(X) - model[0].eval()(X)).abs().max() < 1.5
    for _ in range(60):
        average.update(model)
    assert is_close(average.module, model)
    average.set(model)
    assert is_close(average.module, model)


# ---- Copies of the object ----------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_made_while_learning_continue_on_their_own(duplicate):
    layer = train(Normalize(3), BATCHES[:4])
    other = train(duplicate(layer), BATCHES[4:])
    assert other.moments == evenly.fit(X)
    assert layer.moments == evenly.fit(torch.cat(BATCHES[:4]))


def test_saved_model_learns_on():
    file = io.BytesIO()
    torch.save(train(model_of(), BATCHES[:4]), file)
    file.seek(0)
    model = train(torch.load(file, weights_only=False), BATCHES[4:])
    assert model[0].moments == evenly.fit(X)


def test_data_parallel_copies_learn_and_the_copies_of_the_layer_follow():
    layer = Normalize(3)
    average = AveragedModel(layer)
    for batch in BATCHES:
        replicas = [layer._replicate_for_data_parallel() for _ in range(2)]
        for replica, part in zip(replicas, batch.split(4), strict=True):
            replica(part)
    layer._replicate_for_data_parallel()  # at the begin of the next batch
    average.update_parameters(layer)
    assert average.module.moments == layer.moments == evenly.fit(X)


def test_assigned_moments_are_in_the_copies_of_the_buffers():
    model = model_of()
    average = AveragedModel(model)
    model[0].moments = evenly.fit(X)
    average.update_parameters(model)
    assert average.module[0].moments == evenly.fit(X)
    model[0].moments = Moments.empty(3)
    average.update_parameters(model)
    with pytest.raises(DataError, match=r"needs statistics"):
        average.eval()(X)


# Threads


@pytest.mark.parametrize("options", [{}, {"method": "quantile"}])
def test_threads_that_train_one_layer_lose_no_rows(options):
    """The buffers that one thread wrote were a change by other code to the next."""
    layer, batches = Normalize(3, **options), torch.randn(120, 7, 3) * 100

    def learn(part):
        for batch in part:
            layer(batch)
            copy.deepcopy(layer)

    threads = [threading.Thread(target=learn, args=[batches[i::4]]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert layer.moments == evenly.fit(batches.reshape(-1, 3))
    assert torch.equal(layer.eval()(batches[0]), layer.moments.normalize(batches[0], **options))
