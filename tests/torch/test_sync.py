"""`SyncBatchNorm`: ranks with shares of a batch do what one process does with the whole.

Functions that take a `PartialFit` run on the ranks; in this process there is no process group, so
the same function, given the whole, is what they are compared with.
"""

import copy
import pickle
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from evenly.errors import DataError
from evenly.torch import BatchNorm1d, BatchNorm2d, LazyBatchNorm1d, SyncBatchNorm
from process_group import Run, ranks

CHANNELS = 3
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2e-2}


class Share(NamedTuple):
    """What a rank gets: its rows, what weighs them in the loss, a mask, the layer's options."""

    x: Tensor
    loss: Tensor
    mask: Tensor | None = None
    options: dict[str, Any] = {}  # noqa: RUF012
    input_gradient: bool = True


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with ranks(3) as started:
        yield started


# ---- On the ranks ------------------------------------------------------------------------


def layer_of(share: Share) -> SyncBatchNorm:
    layer = SyncBatchNorm(CHANNELS, **share.options)
    for parameter, start in ((layer.weight, 0.5), (layer.bias, -1.0)):
        if parameter is not None:
            nn.init.constant_(parameter, start)
            parameter.data += torch.arange(CHANNELS) / 4
    return layer.to(torch.float64) if share.x.dtype == torch.float64 else layer


def state_of(layer: SyncBatchNorm) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in layer.named_buffers()}


def gradients_of(layer: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in layer.parameters() if p.grad is not None]


def step(share: Share) -> dict[str, Any]:
    """Forward and backward once."""
    layer = layer_of(share)
    x = share.x.detach().requires_grad_(share.input_gradient)
    y = layer(x, mask=share.mask)
    (y * share.loss).sum().backward()
    return {
        "y": y.detach(), "dx": x.grad, "parameters": gradients_of(layer), "state": state_of(layer),
    }  # fmt: skip


def step_in_pairs(share: Share) -> dict[str, Any]:
    """As `step`, with ranks 0 and 1 in a group, and rank 2 in one of its own."""
    groups = [dist.new_group([0, 1]), dist.new_group([2])]
    own = groups[dist.get_rank() // 2]
    return step(share._replace(options={"process_group": own}))


def second_derivatives(share: Share) -> list[Tensor]:
    """The gradients of the squared gradients."""
    layer = layer_of(share)
    x = share.x.detach().requires_grad_()
    inputs = [x, layer.weight, layer.bias]
    y = layer(x, mask=share.mask)
    first = torch.autograd.grad((y**3 * share.loss).sum(), inputs, create_graph=True)
    return list(torch.autograd.grad((first[0] ** 2).sum(), [x, layer.weight]))


def two_batches(share: Share) -> dict[str, Tensor]:
    """Two batches, two calls of an optimiser, and evaluation between."""
    layer = layer_of(share)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    for batch in (share.x, share.x + 1):
        layer(batch).sum().backward()
        optimizer.step()
    layer.eval()
    layer(share.x)
    return state_of(layer)


def one_step_of_two_batches(share: Share) -> dict[str, Tensor]:
    layer = layer_of(share)
    for batch in (share.x, share.x + 1):
        layer(batch).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.0).step()
    return state_of(layer)


def checkpointed(share: Share) -> dict[str, Any]:
    layer = layer_of(share)
    x = share.x.detach().requires_grad_()
    y = checkpoint(nn.Sequential(layer, nn.Tanh()), x, use_reentrant=False)
    (y * share.loss).sum().backward()
    return {"dx": x.grad, "state": state_of(layer)}


def compiled(share: Share) -> dict[str, Any]:
    model = nn.Sequential(nn.ReLU(), layer_of(share), nn.Tanh())
    x = share.x.detach().requires_grad_()
    y = torch.compile(model, backend="aot_eager")(x) if dist.is_initialized() else model(x)
    (y * share.loss).sum().backward()
    return {"y": y.detach(), "dx": x.grad}


def in_ddp(share: Share) -> list[Tensor]:
    model: nn.Module = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), layer_of(share))
    nn.init.eye_(model[0].weight)  # type: ignore[index]
    nn.init.zeros_(model[0].bias)  # type: ignore[index]
    world = 1
    if dist.is_initialized():
        model, world = DistributedDataParallel(model), dist.get_world_size()
    (model(share.x) * share.loss).sum().mul(world).backward()
    return gradients_of(model)


def torchs_own_in_ddp(share: Share) -> None:
    layers = [SyncBatchNorm(CHANNELS), nn.SyncBatchNorm(CHANNELS)]
    DistributedDataParallel(nn.Sequential(*layers))


def collectives(share: Share) -> dict[str, int]:
    calls = {"all_gather": 0, "all_reduce": 0}
    originals = {name: getattr(dist, name) for name in calls}

    def counting(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return originals[name](*args, **kwargs)

        return call

    for name in calls:
        setattr(dist, name, counting(name))
    try:
        step(share)
    finally:
        for name, original in originals.items():
            setattr(dist, name, original)
    return calls


def evaluated(share: Share) -> Tensor:
    return layer_of(share).eval()(share.x)


def frozen(share: Share) -> Tensor:
    return layer_of(share).freeze().train()(share.x).detach()


def torchs_own(share: Share) -> Tensor:
    return nn.SyncBatchNorm(CHANNELS)(share.x)


# ---- In this process ---------------------------------------------------------------------


def batch_of(sizes: list[int], places: tuple[int, ...], dtype: torch.dtype, seed: int) -> Share:
    generator = torch.Generator().manual_seed(seed)
    shape = (sum(sizes), CHANNELS, *places)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return Share(x, torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))


def split(whole: Share, sizes: list[int]) -> list[Share]:
    masks = [None] * len(sizes) if whole.mask is None else whole.mask.split(sizes)
    parts = zip(whole.x.split(sizes), whole.loss.split(sizes), masks, strict=True)
    return [Share(x, loss, mask, whole.options) for x, loss, mask in parts]


def agree(parts: list[dict[str, Any]], whole: dict[str, Any], tolerance: float) -> None:
    """Hold what the ranks returned against what one process did."""
    for part in parts:
        if isinstance(part, Exception):
            raise part

    def close(a: Tensor, b: Tensor) -> None:
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * 10)

    for name in {"y", "dx"} & set(whole):
        close(torch.cat([part[name] for part in parts]), whole[name])
    for name, value in whole.get("state", {}).items():
        close(parts[0]["state"][name], value)
        assert all(torch.equal(part["state"][name], parts[0]["state"][name]) for part in parts)
    for place, value in enumerate(whole.get("parameters", [])):
        close(sum(part["parameters"][place] for part in parts), value)


SIZES = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(lambda sizes: sum(sizes) > 1)


@settings(max_examples=60)
@given(
    sizes=SIZES,
    places=st.sampled_from([(), (1,), (5,), (4, 5), (2, 1, 3)]),
    dtype=st.sampled_from(list(TOLERANCE)),
    masked=st.booleans(),
    last=st.booleans(),
    options=st.sampled_from(
        [{}, {"affine": False}, {"bias": False}, {"momentum": None}, {"track_running_stats": False}]
    ),
    seed=st.integers(0, 1000),
)
def test_shares_of_a_batch_give_what_the_whole_gives(
    run: Run,
    sizes: list[int],
    places: tuple[int, ...],
    dtype: torch.dtype,
    masked: bool,
    last: bool,
    options: dict[str, Any],
    seed: int,
) -> None:
    """Outputs, gradients, running statistics; for ranks with many rows, few and none."""
    whole = batch_of(sizes, places, dtype, seed)._replace(options=options)
    if last and len(places) == 2:
        whole = whole._replace(x=whole.x.to(memory_format=torch.channels_last))
    if masked:
        mask = (
            torch.rand(len(whole.x), *places, generator=torch.Generator().manual_seed(seed)) < 0.7
        )
        mask.view(-1)[:2] = True
        x = torch.where(mask.unsqueeze(1), whole.x, torch.nan)
        whole = whole._replace(mask=mask, x=x)
    agree(run(step, split(whole, sizes)), step(whole), TOLERANCE[dtype])


@pytest.mark.parametrize("masked", [False, True])
def test_an_offset_of_a_million_costs_nothing(run: Run, masked: bool) -> None:
    whole = batch_of([40, 1, 23], (), torch.float32, 0)
    x = whole.x + 1e6
    mask = torch.ones(64, dtype=torch.bool) if masked else None
    parts = run(step, split(whole._replace(x=x, mask=mask), [40, 1, 23]))
    exact = step(whole._replace(x=x.double(), loss=whole.loss.double()))
    y = torch.cat([part["y"] for part in parts])
    assert (y - exact["y"]).abs().max() < 1e-6


@pytest.mark.parametrize("masked", [False, True])
def test_a_channel_constant_on_all_ranks_becomes_its_bias(run: Run, masked: bool) -> None:
    x = torch.full((10, CHANNELS), 1234567.1)
    mask = torch.ones(10, dtype=torch.bool) if masked else None
    whole = Share(x, torch.ones_like(x), mask)
    bias = layer_of(whole).bias
    for part in run(step, split(whole, [3, 0, 7])):
        assert torch.equal(part["y"], bias.expand_as(part["y"]))


def test_ranks_outside_the_group_do_not_count(run: Run) -> None:
    whole = batch_of([4, 5, 6], (2,), torch.float32, 1)
    parts = run(step_in_pairs, split(whole, [4, 5, 6]))
    shares = split(whole, [9, 6])
    agree(parts[:2], step(shares[0]), 2e-6)
    agree(parts[2:], step(shares[1]), 2e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sizes", [[4, 3, 5], [6, 0, 6]])
def test_second_derivatives_are_those_of_the_whole(
    run: Run, sizes: list[int], masked: bool
) -> None:
    whole = batch_of(sizes, (2,), torch.float64, 2)
    if masked:
        whole = whole._replace(mask=torch.arange(24).view(12, 2) % 5 != 0)
    parts = run(second_derivatives, split(whole, sizes))
    for_x, for_weight = second_derivatives(whole)
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), for_x)
    torch.testing.assert_close(sum(part[1] for part in parts), for_weight)


def test_one_value_on_all_ranks_together_is_an_error_on_each(run: Run) -> None:
    whole = batch_of([0, 1, 0], (), torch.float32, 3)
    shares = split(whole, [0, 1, 0])
    errors = run(step, shares)
    for error, share in zip(errors, shares, strict=True):
        assert isinstance(error, DataError)
        assert str(error) == (
            "Expected more than 1 value per channel when training, got input size "
            f"{share.x.size()} on this rank, and one on all of them"
        )
    assert "y" in run(step, split(batch_of([1, 1, 0], (), torch.float32, 3), [1, 1, 0]))[0]


def test_one_value_may_take_the_running_statistics(run: Run) -> None:
    whole = batch_of([0, 0, 1], (), torch.float32, 4)._replace(options={"single": "running"})
    agree(run(step, split(whole, [0, 0, 1])), step(whole), 1e-6)


@pytest.mark.parametrize("mask", [None, torch.zeros(4, dtype=torch.bool)])
def test_a_batch_without_values_is_what_it_is_for_one_process(
    run: Run, mask: Tensor | None
) -> None:
    sizes = [0, 0, 0] if mask is None else [1, 0, 3]
    whole = batch_of(sizes, (), torch.float32, 5)._replace(mask=mask)
    one = step(whole)
    one.pop("parameters")
    agree(run(step, split(whole, sizes)), one, 0.0)


def test_a_batch_that_is_not_finite_on_one_rank_is_skipped_on_all(run: Run) -> None:
    whole = batch_of([2, 2, 2], (), torch.float32, 6)._replace(options={"non_finite": "skip"})
    whole.x[3, 1] = torch.inf
    for part in run(step, split(whole, [2, 2, 2])):
        assert part["state"]["skipped"] == 1
        assert torch.equal(part["state"]["running_mean"], torch.zeros(CHANNELS))
        assert part["state"]["num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (two_batches, {"momentum": None}),
        (two_batches, {"update": "step"}),
        (one_step_of_two_batches, {"update": "step"}),
        (one_step_of_two_batches, {"update": "forward"}),
    ],
)
def test_running_statistics_move_when_the_layer_says(
    run: Run, function: Any, options: dict[str, Any]
) -> None:
    whole = batch_of([3, 1, 4], (), torch.float32, 7)._replace(options=options)
    parts = [{"state": state} for state in run(function, split(whole, [3, 1, 4]))]
    agree(parts, {"state": function(whole)}, 2e-6)


@pytest.mark.parametrize("update", ["forward", "batch"])
def test_activation_checkpointing_repeats_the_collectives(run: Run, update: str) -> None:
    whole = batch_of([3, 1, 4], (), torch.float32, 8)._replace(options={"update": update})
    parts = run(checkpointed, split(whole, [3, 1, 4]))
    agree(parts, checkpointed(whole), 2e-6)
    assert parts[0]["state"]["num_batches_tracked"] == (2 if update == "forward" else 1)


def test_it_works_within_a_compiled_model(run: Run) -> None:
    whole = batch_of([3, 2, 4], (), torch.float32, 9)
    agree(run(compiled, split(whole, [3, 2, 4])), compiled(whole), 2e-6)


def test_gradients_under_ddp_are_those_of_the_whole(run: Run) -> None:
    """DDP takes the mean over the ranks: of losses that are sums, times the number of ranks."""
    whole = batch_of([3, 2, 4], (), torch.float32, 10)
    for part in run(in_ddp, split(whole, [3, 2, 4])):
        for ours, one in zip(part, in_ddp(whole), strict=True):
            torch.testing.assert_close(ours, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_step_is_one_collective_forwards_and_at_most_one_backwards(
    run: Run, wanted: bool
) -> None:
    """None backwards where the input needs no gradient: in a network's first layer."""
    whole = batch_of([3, 0, 4], (), torch.float32, 11)._replace(input_gradient=wanted)
    shares = [share._replace(input_gradient=wanted) for share in split(whole, [3, 0, 4])]
    assert run(collectives, shares) == [{"all_gather": 1, "all_reduce": int(wanted)}] * 3
    one = step(whole)
    agree(run(step, shares), one if wanted else {"parameters": one["parameters"]}, 2e-6)


@pytest.mark.parametrize("function", [evaluated, frozen])
def test_given_statistics_need_no_other_rank(run: Run, function: Any) -> None:
    whole = batch_of([3, 0, 4], (), torch.float32, 12)
    parts = run(function, split(whole, [3, 0, 4]))
    assert torch.equal(torch.cat(parts), function(whole))


def test_torchs_own_refuses_cpus(run: Run) -> None:
    """The reason for this layer: pytorch/pytorch#78078."""
    errors = run(torchs_own, split(batch_of([1, 1, 1], (), torch.float32, 13), [1, 1, 1]))
    assert all("expected input tensor to be on GPU" in str(error) for error in errors)


def test_ddp_refuses_torchs_own_on_cpus_as_before(run: Run) -> None:
    errors = run(torchs_own_in_ddp, [batch_of([1], (), torch.float32, 15)] * 3)
    assert all("SyncBatchNorm layers only work with GPU" in str(error) for error in errors)


# ---- Without a group ---------------------------------------------------------------------


def test_without_a_group_it_is_the_plain_layer() -> None:
    x = torch.randn(8, CHANNELS, generator=torch.Generator().manual_seed(0))
    sync, plain = SyncBatchNorm(CHANNELS), BatchNorm1d(CHANNELS)
    assert torch.equal(sync(x), plain(x))
    assert sync.state_dict().keys() == nn.SyncBatchNorm(CHANNELS).state_dict().keys()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        sync(x[:1])


def test_it_survives_a_copy_and_a_pickle() -> None:
    layer = SyncBatchNorm(CHANNELS, single="running")
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert (type(other), other.single) == (SyncBatchNorm, "running")


def test_input_is_refused_as_torch_refuses_it() -> None:
    with pytest.raises(ValueError, match="expected at least 2D input"):
        SyncBatchNorm(CHANNELS)(torch.ones(3))
    with pytest.raises(ValueError, match="number of input channels should be non-zero"):
        SyncBatchNorm(CHANNELS)(torch.ones(3, 0))


def test_it_is_torchs_layer_with_torchs_constructor() -> None:
    layer = SyncBatchNorm(4, 1e-3, None, True, False, "group", "meta", torch.float64, bias=False)
    assert isinstance(layer, nn.SyncBatchNorm)
    assert layer.process_group == "group"
    assert (layer.eps, layer.momentum, layer.bias, layer.running_mean) == (1e-3, None, None, None)
    assert (layer.weight.device.type, layer.weight.dtype) == ("meta", torch.float64)
    with pytest.raises(DataError, match="single must be one of 'error', 'running'"):
        SyncBatchNorm(4, single="never")


# ---- Conversion --------------------------------------------------------------------------


def mixed() -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(2), BatchNorm2d(2, non_finite="skip"), nn.SyncBatchNorm(2), nn.LayerNorm(2),
    )  # fmt: skip


def test_torchs_layers_and_ours_become_synchronised_ones() -> None:
    model = mixed().eval()
    before = copy.deepcopy(model.state_dict())
    parameters = list(model.parameters())
    assert SyncBatchNorm.convert_sync_batchnorm(model, "group") is model
    assert [type(layer) for layer in model] == [SyncBatchNorm] * 3 + [nn.LayerNorm]
    assert all(layer.process_group == "group" for layer in model[:3])
    assert model[1].non_finite == "skip"
    assert not any(layer.training for layer in model)
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_batch_norm_itself_is_converted() -> None:
    layer = nn.BatchNorm3d(2)
    assert SyncBatchNorm.convert_sync_batchnorm(layer) is layer
    assert type(layer) is SyncBatchNorm


@pytest.mark.parametrize("lazy", [nn.LazyBatchNorm1d, LazyBatchNorm1d])
def test_a_lazy_layer_becomes_a_synchronised_one_with_its_first_batch(lazy: Any) -> None:
    layer = SyncBatchNorm.convert_sync_batchnorm(lazy(), "group")
    layer(torch.randn(4, CHANNELS, generator=torch.Generator().manual_seed(0)))
    assert type(layer) is SyncBatchNorm
    assert layer.process_group == "group"


def test_virtual_batches_cannot_be_synchronised() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), BatchNorm1d(2, virtual_batch_size=4))
    with pytest.raises(DataError, match=r"layers with virtual_batch_size: '1'\. Set their"):
        SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(model[0]) is nn.BatchNorm1d
