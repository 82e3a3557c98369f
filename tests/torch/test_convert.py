"""`convert`: torch's batch norms become ours and back, and nothing else changes."""

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
    """Someone's own layer, as timm has."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


def batch(rows: int = 16, columns: int = 4) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


@pytest.mark.parametrize(("torchs", "ours"), PAIRS)
def test_a_layer_changes_its_class_and_holds_what_it_held(torchs: Any, ours: Any) -> None:
    """The very same tensors, mode, dtype, device; and back."""
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
def test_lazy_layers_become_those_of_their_side(
    torchs: Any, ours: Any, shape: tuple[int, ...]
) -> None:
    for to, start, end in (("evenly", torchs, ours), ("torch", ours, torchs)):
        layer = convert(start(), to=to)
        assert type(layer) is end
        layer(torch.zeros(shape))
        assert type(layer) is end.cls_to_become


def test_a_training_run_goes_on_as_if_nothing_had_happened() -> None:
    """The optimiser was made before; its parameters and its momentum stay."""
    models = [network(), network()]
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in models]
    for number in range(6):
        if number in (2, 4):
            convert(models[0], to="evenly" if number == 2 else "torch")
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            (model(batch()) - 1).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict())


def test_hooks_go_on_being_called() -> None:
    layer, calls = nn.BatchNorm1d(4), []
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    layer.register_forward_hook(lambda *_: calls.append("after"))
    layer.register_full_backward_hook(lambda *_: calls.append("backward"))
    convert(layer)(batch().requires_grad_()).sum().backward()
    assert calls == ["before", "after", "backward"]


def test_a_shared_layer_stays_one() -> None:
    shared = nn.BatchNorm1d(4)
    model = convert(nn.Sequential(shared, nn.ReLU(), shared))
    assert model[0] is model[2] is shared
    assert type(shared) is BatchNorm1d


def test_parametrizations_stay_and_can_be_removed() -> None:
    layer = nn.BatchNorm1d(4)
    parametrize.register_parametrization(layer, "weight", Doubled())
    twin = copy.deepcopy(layer)  # of the same class, which is not to change
    expected = layer(batch())
    convert(layer)
    torch.testing.assert_close(layer(batch()), expected)
    assert isinstance(layer, BatchNorm1d)
    assert not isinstance(twin, BatchNorm1d)
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is BatchNorm1d
    assert torch.equal(layer.weight, torch.full((4,), 2.0))


def test_a_parametrised_layer_becomes_torchs_again() -> None:
    layer = BatchNorm1d(4)
    parametrize.register_parametrization(layer, "bias", Doubled())
    convert(layer, to="torch")
    assert isinstance(layer, nn.BatchNorm1d)
    assert not isinstance(layer, BatchNorm1d)
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.BatchNorm1d


def test_other_layers_and_subclasses_are_left_alone_and_named() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), Activated(4), nn.InstanceNorm1d(4), BatchNorm1d(4))
    with pytest.warns(UserWarning, match=r"were left alone: '1 \(Activated\)'\.") as caught:
        convert(model)
    assert caught[0].filename == __file__
    kinds = [BatchNorm1d, Activated, nn.InstanceNorm1d, BatchNorm1d]
    assert [type(layer) for layer in model] == kinds


def test_extras_are_set_on_what_is_converted() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), BatchNorm1d(4))
    convert(model, non_finite="skip", single="running")
    model[0](torch.full((4, 4), torch.nan))
    assert model[0].skipped == 1
    assert torch.equal(model[0](batch(1)), model[0].eval()(batch(1)))
    assert (model[1].non_finite, model[1].single) == ("propagate", "error")


def test_the_counter_of_skipped_batches_is_where_the_layer_is() -> None:
    layer = convert(nn.BatchNorm1d(4, device="meta"), non_finite="skip")
    assert layer.skipped.device.type == "meta"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "keras"}, r"to must be 'evenly' or 'torch'\. Received: 'keras'\."),
        ({"single": "never"}, r"single must be one of 'error', 'running'\. Received: 'never'\."),
        ({"to": "torch", "single": "running"}, "torch's layers have no extras. Received: single."),
        ({"virtual_batch_size": 4}, "Received: virtual_batch_size for a model with SyncBatchNorm"),
    ],
)
def test_a_wrong_option_changes_nothing(options: dict[str, Any], message: str) -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.SyncBatchNorm(4), BatchNorm1d(4))
    with pytest.raises(DataError, match=message):
        convert(model, **options)
    assert [type(layer) for layer in model] == [nn.BatchNorm1d, nn.SyncBatchNorm, BatchNorm1d]


def test_an_unknown_extra_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonfinite'"):
        convert(network(), nonfinite="skip")


def test_what_torch_has_not_is_lost_with_a_warning_that_says_where() -> None:
    model = convert(network(), non_finite="skip", update="step")
    model[1].freeze()
    with pytest.warns(UserWarning, match=r"these go without: 1 \(non_finite, update, frozen\)\.$"):
        convert(model, to="torch")
    assert vars(model[1]).keys() == vars(nn.BatchNorm1d(4)).keys()
    assert "skipped" not in dict(model.named_buffers())
    convert(model)
    assert (model[1].non_finite, model[1].update, model[1].frozen) == (
        "propagate",
        "forward",
        False,
    )


def test_rows_that_wait_for_an_optimiser_step_are_taken_in_before_the_way_back() -> None:
    model, other = convert(network(), update="step"), network()
    for each in (model, other):
        each(batch()).sum().backward()
    with pytest.warns(UserWarning, match="update"):
        convert(model, to="torch")
    torch.testing.assert_close(model[1].running_mean, other[1].running_mean)
    torch.optim.SGD(model.parameters(), lr=0.0).step()  # which no longer knows of the layer
    assert model[1].num_batches_tracked == 1


def test_a_converted_model_survives_copies_and_state_dicts() -> None:
    model, twin = convert(network()), network()
    twin.load_state_dict(model.state_dict())
    for other in (copy.deepcopy(model), twin):
        torch.testing.assert_close(other(batch()), model(batch()))
