"""Tests of `convert` between torch's and evenly's batch norms."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from evenly.errors import DataError
from evenly.torch import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    LazyBatchNorm1d,
    LazyBatchNorm2d,
    LazyBatchNorm3d,
    SyncBatchNorm,
    convert,
)

PAIRS: list[tuple[Any, Any]] = [
    (nn.BatchNorm1d, BatchNorm1d),
    (nn.BatchNorm2d, BatchNorm2d),
    (nn.BatchNorm3d, BatchNorm3d),
    (nn.SyncBatchNorm, SyncBatchNorm),
]
LAZY: list[tuple[Any, Any, tuple[int, ...]]] = [
    (nn.LazyBatchNorm1d, LazyBatchNorm1d, (9, 4)),
    (nn.LazyBatchNorm2d, LazyBatchNorm2d, (9, 4, 1, 2)),
    (nn.LazyBatchNorm3d, LazyBatchNorm3d, (9, 4, 1, 2, 1)),
]


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Activated(nn.BatchNorm1d):
    """A subclass by a third party, like those of timm."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


def batch(rows: int = 16, columns: int = 4) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


@pytest.mark.parametrize(("torchs", "ours"), PAIRS)
def test_convert_changes_only_the_class(torchs: Any, ours: Any) -> None:
    """Tensors, mode, dtype and device are the same objects and values, also after undoing it."""
    layer = torchs(4, eps=1e-3, momentum=None, bias=False, dtype=torch.float64, device="meta")
    layer.eval().requires_grad_(False)
    tensors, attributes = layer.state_dict(keep_vars=True), dict(vars(layer))
    assert convert(layer) is layer
    assert type(layer) is ours
    assert all(layer.state_dict(keep_vars=True)[name] is value for name, value in tensors.items())
    assert not layer.training
    assert convert(layer, to="torch") is layer
    assert type(layer) is torchs
    assert vars(layer) == attributes


@pytest.mark.parametrize(("torchs", "ours", "shape"), LAZY)
def test_converted_lazy_layers_become_layers_of_the_same_library(
    torchs: Any, ours: Any, shape: tuple[int, ...]
) -> None:
    for to, start, end in (("evenly", torchs, ours), ("torch", ours, torchs)):
        layer = convert(start(), to=to)
        assert type(layer) is end
        layer(torch.zeros(shape))
        assert type(layer) is end.cls_to_become


def test_convert_during_training_does_not_change_results() -> None:
    """The optimizer was created before; its parameters and momentum stay valid."""
    models = [network(), network()]
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in models]
    for step in range(6):
        if step in (2, 4):
            convert(models[0], to="evenly" if step == 2 else "torch")
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            (model(batch()) - 1).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict())


def test_convert_keeps_hooks() -> None:
    layer, calls = nn.BatchNorm1d(4), []
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    layer.register_forward_hook(lambda *_: calls.append("after"))
    layer.register_full_backward_hook(lambda *_: calls.append("backward"))
    convert(layer)(batch().requires_grad_()).sum().backward()
    assert calls == ["before", "after", "backward"]


def test_convert_keeps_shared_layers_shared() -> None:
    shared = nn.BatchNorm1d(4)
    model = convert(nn.Sequential(shared, nn.ReLU(), shared))
    assert model[0] is model[2] is shared
    assert type(shared) is BatchNorm1d


def test_convert_keeps_parametrizations() -> None:
    layer = nn.BatchNorm1d(4)
    parametrize.register_parametrization(layer, "weight", Doubled())
    twin = copy.deepcopy(layer)  # of the same class, which must not change
    expected = layer(batch())
    convert(layer)
    torch.testing.assert_close(layer(batch()), expected)
    assert isinstance(layer, BatchNorm1d)
    assert not isinstance(twin, BatchNorm1d)
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is BatchNorm1d
    assert torch.equal(layer.weight, torch.full((4,), 2.0))


def test_convert_parametrized_layer_to_torch() -> None:
    layer = BatchNorm1d(4)
    parametrize.register_parametrization(layer, "bias", Doubled())
    convert(layer, to="torch")
    assert isinstance(layer, nn.BatchNorm1d)
    assert not isinstance(layer, BatchNorm1d)
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.BatchNorm1d


def test_convert_warns_about_subclasses_and_skips_them() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), Activated(4), nn.InstanceNorm1d(4), BatchNorm1d(4))
    with pytest.warns(UserWarning, match=r"were not converted: '1 \(Activated\)'\.") as caught:
        convert(model)
    assert caught[0].filename == __file__
    classes = [BatchNorm1d, Activated, nn.InstanceNorm1d, BatchNorm1d]
    assert [type(layer) for layer in model] == classes


def test_report_names_the_changed_layers() -> None:
    shared = nn.BatchNorm2d(4)
    block = nn.Sequential(shared, Activated(4), BatchNorm1d(4))
    model = nn.Sequential(block, nn.LazyBatchNorm1d(), shared, nn.SyncBatchNorm(4))
    with pytest.warns(UserWarning, match="were not converted"):
        result, report = convert(model, report=True)
    assert result is model
    expected = {"0.0": "BatchNorm2d", "1": "LazyBatchNorm1d", "3": "SyncBatchNorm"}
    assert report.changed == expected
    assert len(report) == 3
    assert report.skipped == {"0.1": "Activated"}
    assert str(report) == (
        "3 batch norms were converted to evenly's classes: '0.0', '1', '3'. "
        "Not converted, because of their classes: '0.1 (Activated)'."
    )


def test_report_of_a_layer_of_a_parametrized_one_and_of_none() -> None:
    layer = nn.BatchNorm1d(4)
    parametrize.register_parametrization(layer, "weight", Doubled())
    _, report = convert(layer, report=True)
    assert report.changed == {"": "BatchNorm1d"}
    assert str(report) == "1 batch norm was converted to evenly's class: 'the model'."
    _, again = convert(layer, report=True)
    assert (len(again), str(again)) == (0, "No batch norm was converted to evenly's classes.")
    assert again, "a report must be true, also without changed layers"


def test_report_of_conversion_to_torch_names_lost_options() -> None:
    model = convert(network(), non_finite="skip", update="step")
    with pytest.warns(UserWarning, match="lose theirs in training"):
        _, report = convert(model, to="torch", report=True)
    assert report.lost == {"1": ["non_finite", "update"]}
    assert str(report) == "1 batch norm was converted to torch's class: '1'."


def test_convert_logs_the_report(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="evenly"):
        convert(network())
    assert caplog.messages == ["1 batch norm was converted to evenly's class: '1'."]


def test_print_shows_converted_layers_as_evenlys() -> None:
    model = network()
    before = str(model)
    convert(model)
    assert str(model) == before.replace("BatchNorm1d", "evenly.torch.BatchNorm1d")
    parametrize.register_parametrization(model[1], "weight", Doubled())
    assert repr(model[1]).startswith("evenly.torch.ParametrizedBatchNorm1d(")
    assert str(convert(network(), to="torch")) == before

    class Own(BatchNorm1d):
        pass

    assert repr(Own(4)).startswith("Own(4, ")


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")
def test_convert_keeps_weight_norm_by_a_hook() -> None:
    layer = torch.nn.utils.weight_norm(nn.BatchNorm1d(4))
    nn.init.normal_(layer.weight_g, generator=torch.Generator().manual_seed(0))
    expected = layer(batch())
    torch.testing.assert_close(convert(layer)(batch()), expected)


def test_convert_sets_options_on_converted_layers() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), BatchNorm1d(4))
    convert(model, non_finite="skip", single="running")
    model[0](torch.full((4, 4), torch.nan))
    assert model[0].skipped == 1
    assert torch.equal(model[0](batch(1)), model[0].eval()(batch(1)))
    assert (model[1].non_finite, model[1].single) == ("propagate", "error")


def test_convert_creates_skipped_buffer_on_device_of_layer() -> None:
    layer = convert(nn.BatchNorm1d(4, device="meta"), non_finite="skip")
    assert layer.skipped.device.type == "meta"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "keras"}, r"to must be 'evenly' or 'torch'\. Received: 'keras'\."),
        ({"single": "never"}, r"single must be 'error' or 'running'\. Received: 'never'\."),
        ({"to": "torch", "single": "running"}, "torch's layers do not have .* Received: single."),
        ({"virtual_batch_size": 4}, "Received: virtual_batch_size for a model with SyncBatchNorm"),
    ],
)
def test_convert_with_invalid_option_changes_nothing(options: dict[str, Any], message: str) -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.SyncBatchNorm(4), BatchNorm1d(4))
    with pytest.raises(DataError, match=message):
        convert(model, **options)
    assert [type(layer) for layer in model] == [nn.BatchNorm1d, nn.SyncBatchNorm, BatchNorm1d]


def test_convert_with_unknown_option_raises() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonfinite'"):
        convert(network(), nonfinite="skip")


def test_convert_to_torch_warns_about_lost_options() -> None:
    model = convert(network(), non_finite="skip", update="step")
    model[1].freeze()
    with pytest.warns(UserWarning, match=r"in training: 1 \(non_finite, update, frozen\)\.$"):
        convert(model, to="torch")
    assert vars(model[1]).keys() == vars(nn.BatchNorm1d(4)).keys()
    assert "skipped" not in dict(model.named_buffers())
    convert(model)
    assert (model[1].non_finite, model[1].update, model[1].frozen) == (
        "propagate",
        "forward",
        False,
    )


def test_convert_to_torch_applies_pending_update_first() -> None:
    model, other = convert(network(), update="step"), network()
    for network_ in (model, other):
        network_(batch()).sum().backward()
    with pytest.warns(UserWarning, match="update"):
        convert(model, to="torch")
    torch.testing.assert_close(model[1].running_mean, other[1].running_mean)
    torch.optim.SGD(model.parameters(), lr=0.0).step()  # does not update the layer any more
    assert model[1].num_batches_tracked == 1


def test_copy_and_state_dict_of_converted_model() -> None:
    model, twin = convert(network()), network()
    twin.load_state_dict(model.state_dict())
    for other in (copy.deepcopy(model), twin):
        torch.testing.assert_close(other(batch()), model(batch()))
