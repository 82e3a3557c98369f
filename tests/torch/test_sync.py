"""Tests of `SyncBatchNorm`: the results on several ranks equal those of one process.

Functions with a `RankInput` run on the ranks. Without a process group, the same function with the
whole batch gives the expected result.
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
from memory_traffic import Cost, Traffic, cost_of
from process_group import Run, ranks

CHANNELS = 3
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2e-2}


class RankInput(NamedTuple):
    """A rank's rows, their weights in the loss, a mask, and the options of the layer."""

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


def make_layer(rank_input: RankInput) -> SyncBatchNorm:
    layer = SyncBatchNorm(CHANNELS, **rank_input.options)
    for parameter, start in ((layer.weight, 0.5), (layer.bias, -1.0)):
        if parameter is not None:
            nn.init.constant_(parameter, start)
            parameter.data += torch.arange(CHANNELS) / 4
    return layer.to(torch.float64) if rank_input.x.dtype == torch.float64 else layer


def copy_state(layer: SyncBatchNorm) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in layer.named_buffers()}


def copy_gradients(layer: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in layer.parameters() if p.grad is not None]


def step(rank_input: RankInput) -> dict[str, Any]:
    """Run one forward and one backward pass."""
    layer = make_layer(rank_input)
    x = rank_input.x.detach().requires_grad_(rank_input.input_gradient)
    y = layer(x, mask=rank_input.mask)
    (y * rank_input.loss).sum().backward()
    return {
        "y": y.detach(),
        "dx": x.grad,
        "parameters": copy_gradients(layer),
        "state": copy_state(layer),
    }


def step_by_operators(rank_input: RankInput) -> dict[str, Any]:
    """Call `step` as on an accelerator: a dispatch mode switches the kernels off."""
    with Traffic():
        return step(rank_input)


def count_bytes(x: Tensor) -> Cost:
    return cost_of(SyncBatchNorm(x.shape[1]), x)


def step_in_pairs(rank_input: RankInput) -> dict[str, Any]:
    """Call `step` with ranks 0 and 1 in one group, and rank 2 in another."""
    groups = [dist.new_group([0, 1]), dist.new_group([2])]
    group = groups[dist.get_rank() // 2]
    return step(rank_input._replace(options={"process_group": group}))


def second_derivatives(rank_input: RankInput) -> list[Tensor]:
    """Return the gradients of the squared gradients."""
    layer = make_layer(rank_input)
    x = rank_input.x.detach().requires_grad_()
    inputs = [x, layer.weight, layer.bias]
    y = layer(x, mask=rank_input.mask)
    first = torch.autograd.grad((y**3 * rank_input.loss).sum(), inputs, create_graph=True)
    return list(torch.autograd.grad((first[0] ** 2).sum(), [x, layer.weight]))


def two_batches(rank_input: RankInput) -> dict[str, Tensor]:
    """Run two batches with an optimizer step each, then one in evaluation."""
    layer = make_layer(rank_input)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    for x in (rank_input.x, rank_input.x + 1):
        layer(x).sum().backward()
        optimizer.step()
    layer.eval()
    layer(rank_input.x)
    return copy_state(layer)


def one_step_of_two_batches(rank_input: RankInput) -> dict[str, Tensor]:
    layer = make_layer(rank_input)
    for x in (rank_input.x, rank_input.x + 1):
        layer(x).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.0).step()
    return copy_state(layer)


def run_checkpointed(rank_input: RankInput) -> dict[str, Any]:
    layer = make_layer(rank_input)
    x = rank_input.x.detach().requires_grad_()
    y = checkpoint(nn.Sequential(layer, nn.Tanh()), x, use_reentrant=False)
    (y * rank_input.loss).sum().backward()
    return {"dx": x.grad, "state": copy_state(layer)}


def run_compiled(rank_input: RankInput) -> dict[str, Any]:
    model = nn.Sequential(nn.ReLU(), make_layer(rank_input), nn.Tanh())
    x = rank_input.x.detach().requires_grad_()
    y = torch.compile(model, backend="aot_eager")(x) if dist.is_initialized() else model(x)
    (y * rank_input.loss).sum().backward()
    return {"y": y.detach(), "dx": x.grad}


def run_in_ddp(rank_input: RankInput) -> list[Tensor]:
    model: nn.Module = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), make_layer(rank_input))
    nn.init.eye_(model[0].weight)  # type: ignore[index]
    nn.init.zeros_(model[0].bias)  # type: ignore[index]
    world = 1
    if dist.is_initialized():
        model, world = DistributedDataParallel(model), dist.get_world_size()
    (model(rank_input.x) * rank_input.loss).sum().mul(world).backward()
    return copy_gradients(model)


def run_torch_layer_in_ddp(rank_input: RankInput) -> None:
    layers = [SyncBatchNorm(CHANNELS), nn.SyncBatchNorm(CHANNELS)]
    DistributedDataParallel(nn.Sequential(*layers))


def count_collectives(rank_input: RankInput) -> dict[str, int]:
    calls = {"all_gather": 0, "all_reduce": 0}
    originals = {name: getattr(dist, name) for name in calls}

    def count(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return originals[name](*args, **kwargs)

        return call

    for name in calls:
        setattr(dist, name, count(name))
    try:
        step(rank_input)
    finally:
        for name, original in originals.items():
            setattr(dist, name, original)
    return calls


def evaluate(rank_input: RankInput) -> Tensor:
    return make_layer(rank_input).eval()(rank_input.x)


def run_frozen(rank_input: RankInput) -> Tensor:
    return make_layer(rank_input).freeze().train()(rank_input.x).detach()


def run_torch_layer(rank_input: RankInput) -> Tensor:
    return nn.SyncBatchNorm(CHANNELS)(rank_input.x)


# ---- In this process ---------------------------------------------------------------------


def random_batch(
    sizes: list[int], inner: tuple[int, ...], dtype: torch.dtype, seed: int
) -> RankInput:
    generator = torch.Generator().manual_seed(seed)
    shape = (sum(sizes), CHANNELS, *inner)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return RankInput(x, torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))


def split(batch: RankInput, sizes: list[int]) -> list[RankInput]:
    masks = [None] * len(sizes) if batch.mask is None else batch.mask.split(sizes)
    parts = zip(batch.x.split(sizes), batch.loss.split(sizes), masks, strict=True)
    return [RankInput(x, loss, mask, batch.options) for x, loss, mask in parts]


def assert_equal(parts: list[dict[str, Any]], expected: dict[str, Any], tolerance: float) -> None:
    """Compare the results of the ranks with those of one process."""
    for part in parts:
        if isinstance(part, Exception):
            raise part

    def close(a: Tensor, b: Tensor) -> None:
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * 10)

    for name in {"y", "dx"} & set(expected):
        close(torch.cat([part[name] for part in parts]), expected[name])
    for name, value in expected.get("state", {}).items():
        close(parts[0]["state"][name], value)
        assert all(torch.equal(part["state"][name], parts[0]["state"][name]) for part in parts)
    for index, value in enumerate(expected.get("parameters", [])):
        close(sum(part["parameters"][index] for part in parts), value)


SIZES = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(lambda sizes: sum(sizes) > 1)


@settings(max_examples=60)
@given(
    sizes=SIZES,
    inner=st.sampled_from([(), (1,), (5,), (4, 5), (2, 1, 3)]),
    dtype=st.sampled_from(list(TOLERANCE)),
    masked=st.booleans(),
    channels_last=st.booleans(),
    options=st.sampled_from(
        [{}, {"affine": False}, {"bias": False}, {"momentum": None}, {"track_running_stats": False}]
    ),
    function=st.sampled_from([step, step_by_operators]),
    seed=st.integers(0, 1000),
)
def test_ranks_equal_one_process(
    run: Run,
    sizes: list[int],
    inner: tuple[int, ...],
    dtype: torch.dtype,
    masked: bool,
    channels_last: bool,
    options: dict[str, Any],
    function: Any,
    seed: int,
) -> None:
    """Compare outputs, gradients and running statistics, also for ranks without rows."""
    batch = random_batch(sizes, inner, dtype, seed)._replace(options=options)
    if channels_last and len(inner) == 2:
        batch = batch._replace(x=batch.x.to(memory_format=torch.channels_last))
    if masked:
        mask = torch.rand(len(batch.x), *inner, generator=torch.Generator().manual_seed(seed)) < 0.7
        mask.view(-1)[:2] = True
        x = torch.where(mask.unsqueeze(1), batch.x, torch.nan)
        batch = batch._replace(mask=mask, x=x)
    assert_equal(run(function, split(batch, sizes)), step(batch), TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("dtype", "limits"),
    [(torch.float32, Cost(12, 28, 4)), (torch.bfloat16, Cost(10, 18, 2))],
    ids=str,
)
def test_operators_move_the_bytes_of_the_batch(run: Run, dtype: torch.dtype, limits: Cost) -> None:
    """The operators of torch's layer, which exist on CUDA alone: 12, 20 and 4; 6, 10 and 2."""
    x = random_batch([300, 200, 400], (16, 16), dtype, 4).x
    for cost in run(count_bytes, list(x.split([300, 200, 400]))):
        for counted, limit in zip(cost, limits, strict=True):
            assert limit * 0.99 <= counted <= limit * 1.01, cost


@pytest.mark.parametrize("offset", [1e4, -1e6, 1.7e9])
def test_exact_operators_are_accurate_at_an_offset(run: Run, offset: float) -> None:
    scale = max(1.0, abs(offset) * 2.0**-20)
    batch = random_batch([40, 1, 23], (3,), torch.float32, 5)
    x = batch.x * scale + offset
    options = {"exact": True}
    parts = run(step_by_operators, split(batch._replace(x=x, options=options), [40, 1, 23]))
    expected = step(batch._replace(x=x.double(), loss=batch.loss.double()))
    for name in ("y", "dx"):
        found, right = torch.cat([part[name] for part in parts]).double(), expected[name]
        assert (found - right).abs().max() < 4e-6 * right.abs().max()
    for name, value in expected["state"].items():
        torch.testing.assert_close(
            parts[0]["state"][name].to(value.dtype), value, rtol=1e-5, atol=0
        )


def test_exact_operators_make_a_constant_channel_its_bias(run: Run) -> None:
    x = torch.full((10, CHANNELS), 1234567.1)
    batch = RankInput(x, torch.ones_like(x), options={"exact": True})
    bias = make_layer(batch).bias
    for part in run(step_by_operators, split(batch, [3, 0, 7])):
        assert torch.equal(part["y"], bias.expand_as(part["y"]))


@pytest.mark.parametrize("masked", [False, True])
def test_ranks_are_accurate_at_an_offset(run: Run, masked: bool) -> None:
    batch = random_batch([40, 1, 23], (), torch.float32, 0)
    x = batch.x + 1e6
    mask = torch.ones(64, dtype=torch.bool) if masked else None
    parts = run(step, split(batch._replace(x=x, mask=mask), [40, 1, 23]))
    exact = step(batch._replace(x=x.double(), loss=batch.loss.double()))
    y = torch.cat([part["y"] for part in parts])
    assert (y - exact["y"]).abs().max() < 1e-6


@pytest.mark.parametrize("masked", [False, True])
def test_channel_constant_on_all_ranks_becomes_its_bias(run: Run, masked: bool) -> None:
    x = torch.full((10, CHANNELS), 1234567.1)
    mask = torch.ones(10, dtype=torch.bool) if masked else None
    batch = RankInput(x, torch.ones_like(x), mask)
    bias = make_layer(batch).bias
    for part in run(step, split(batch, [3, 0, 7])):
        assert torch.equal(part["y"], bias.expand_as(part["y"]))


def test_ranks_outside_process_group_are_excluded(run: Run) -> None:
    batch = random_batch([4, 5, 6], (2,), torch.float32, 1)
    parts = run(step_in_pairs, split(batch, [4, 5, 6]))
    inputs = split(batch, [9, 6])
    assert_equal(parts[:2], step(inputs[0]), 2e-6)
    assert_equal(parts[2:], step(inputs[1]), 2e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sizes", [[4, 3, 5], [6, 0, 6]])
def test_second_derivatives_equal_one_process(run: Run, sizes: list[int], masked: bool) -> None:
    batch = random_batch(sizes, (2,), torch.float64, 2)
    if masked:
        batch = batch._replace(mask=torch.arange(24).view(12, 2) % 5 != 0)
    parts = run(second_derivatives, split(batch, sizes))
    for_x, for_weight = second_derivatives(batch)
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), for_x)
    torch.testing.assert_close(sum(part[1] for part in parts), for_weight)


def test_single_value_on_all_ranks_raises_on_each(run: Run) -> None:
    batch = random_batch([0, 1, 0], (), torch.float32, 3)
    inputs = split(batch, [0, 1, 0])
    errors = run(step, inputs)
    for error, rank_input in zip(errors, inputs, strict=True):
        assert isinstance(error, DataError)
        assert str(error).startswith(
            "Expected more than 1 value per channel when training, got input size "
            f"{rank_input.x.size()} on this rank, and one value on all ranks. "
            'Set single="running"'
        )
    assert "y" in run(step, split(random_batch([1, 1, 0], (), torch.float32, 3), [1, 1, 0]))[0]


def test_single_running_on_ranks(run: Run) -> None:
    batch = random_batch([0, 0, 1], (), torch.float32, 4)._replace(options={"single": "running"})
    assert_equal(run(step, split(batch, [0, 0, 1])), step(batch), 1e-6)


@pytest.mark.parametrize("mask", [None, torch.zeros(4, dtype=torch.bool)])
def test_batch_without_values_equals_one_process(run: Run, mask: Tensor | None) -> None:
    sizes = [0, 0, 0] if mask is None else [1, 0, 3]
    batch = random_batch(sizes, (), torch.float32, 5)._replace(mask=mask)
    results = run(step, split(batch, sizes))
    assert_equal(results, step(batch), 0.0)
    for result in results:  # DistributedDataParallel waits for a gradient of each parameter
        assert [gradient.tolist() for gradient in result["parameters"]] == [[0, 0, 0]] * 2


def test_non_finite_skip_skips_batch_on_all_ranks(run: Run) -> None:
    batch = random_batch([2, 2, 2], (), torch.float32, 6)._replace(options={"non_finite": "skip"})
    batch.x[3, 1] = torch.inf
    for part in run(step, split(batch, [2, 2, 2])):
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
def test_update_option_on_ranks(run: Run, function: Any, options: dict[str, Any]) -> None:
    batch = random_batch([3, 1, 4], (), torch.float32, 7)._replace(options=options)
    parts = [{"state": state} for state in run(function, split(batch, [3, 1, 4]))]
    assert_equal(parts, {"state": function(batch)}, 2e-6)


@pytest.mark.parametrize("update", ["forward", "batch"])
def test_activation_checkpointing_on_ranks(run: Run, update: str) -> None:
    batch = random_batch([3, 1, 4], (), torch.float32, 8)._replace(options={"update": update})
    parts = run(run_checkpointed, split(batch, [3, 1, 4]))
    assert_equal(parts, run_checkpointed(batch), 2e-6)
    assert parts[0]["state"]["num_batches_tracked"] == (2 if update == "forward" else 1)


def test_sync_batch_norm_in_compiled_model(run: Run) -> None:
    batch = random_batch([3, 2, 4], (), torch.float32, 9)
    assert_equal(run(run_compiled, split(batch, [3, 2, 4])), run_compiled(batch), 2e-6)


def test_gradients_under_ddp_equal_one_process(run: Run) -> None:
    """DDP averages over the ranks, so the loss, a sum, is multiplied by their number."""
    batch = random_batch([3, 2, 4], (), torch.float32, 10)
    for part in run(run_in_ddp, split(batch, [3, 2, 4])):
        for ours, one in zip(part, run_in_ddp(batch), strict=True):
            torch.testing.assert_close(ours, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("needs_gradient", [True, False])
def test_step_uses_one_collective_per_pass(run: Run, needs_gradient: bool) -> None:
    """Backward uses none if the input needs no gradient, as in a network's first layer."""
    batch = random_batch([3, 0, 4], (), torch.float32, 11)._replace(input_gradient=needs_gradient)
    inputs = [
        rank_input._replace(input_gradient=needs_gradient) for rank_input in split(batch, [3, 0, 4])
    ]
    assert (
        run(count_collectives, inputs) == [{"all_gather": 1, "all_reduce": int(needs_gradient)}] * 3
    )
    one = step(batch)
    assert_equal(
        run(step, inputs), one if needs_gradient else {"parameters": one["parameters"]}, 2e-6
    )


@pytest.mark.parametrize("function", [evaluate, run_frozen])
def test_evaluation_and_frozen_layer_use_no_collectives(run: Run, function: Any) -> None:
    batch = random_batch([3, 0, 4], (), torch.float32, 12)
    parts = run(function, split(batch, [3, 0, 4]))
    assert torch.equal(torch.cat(parts), function(batch))


def test_torch_sync_batch_norm_rejects_cpus(run: Run) -> None:
    """pytorch/pytorch#78078."""
    errors = run(run_torch_layer, split(random_batch([1, 1, 1], (), torch.float32, 13), [1, 1, 1]))
    assert all("expected input tensor to be on GPU" in str(error) for error in errors)


def test_ddp_still_rejects_torch_sync_batch_norm_on_cpus(run: Run) -> None:
    errors = run(run_torch_layer_in_ddp, [random_batch([1], (), torch.float32, 15)] * 3)
    assert all("SyncBatchNorm layers only work with GPU" in str(error) for error in errors)


# ---- Without a group ---------------------------------------------------------------------


def test_without_process_group_equals_batch_norm() -> None:
    x = torch.randn(8, CHANNELS, generator=torch.Generator().manual_seed(0))
    sync, plain = SyncBatchNorm(CHANNELS), BatchNorm1d(CHANNELS)
    assert torch.equal(sync(x), plain(x))
    assert sync.state_dict().keys() == nn.SyncBatchNorm(CHANNELS).state_dict().keys()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        sync(x[:1])


def test_copy_and_pickle_of_sync_batch_norm() -> None:
    layer = SyncBatchNorm(CHANNELS, single="running")
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert (type(other), other.single) == (SyncBatchNorm, "running")


def test_invalid_input_raises_torchs_error() -> None:
    with pytest.raises(ValueError, match="expected at least 2D input"):
        SyncBatchNorm(CHANNELS)(torch.ones(3))
    with pytest.raises(ValueError, match="number of input channels should be non-zero"):
        SyncBatchNorm(CHANNELS)(torch.ones(3, 0))


def test_sync_batch_norm_has_torchs_constructor() -> None:
    layer = SyncBatchNorm(4, 1e-3, None, True, False, "group", "meta", torch.float64, bias=False)
    assert isinstance(layer, nn.SyncBatchNorm)
    assert layer.process_group == "group"
    assert (layer.eps, layer.momentum, layer.bias, layer.running_mean) == (1e-3, None, None, None)
    assert (layer.weight.device.type, layer.weight.dtype) == ("meta", torch.float64)
    with pytest.raises(DataError, match="single must be 'error' or 'running'"):
        SyncBatchNorm(4, single="never")


# ---- Conversion --------------------------------------------------------------------------


def mixed_model() -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(2), BatchNorm2d(2, non_finite="skip"), nn.SyncBatchNorm(2), nn.LayerNorm(2),
    )  # fmt: skip


def test_convert_sync_batchnorm_of_torchs_and_evenlys_layers() -> None:
    model = mixed_model().eval()
    before = copy.deepcopy(model.state_dict())
    parameters = list(model.parameters())
    assert SyncBatchNorm.convert_sync_batchnorm(model, "group") is model
    assert [type(layer) for layer in model] == [SyncBatchNorm] * 3 + [nn.LayerNorm]
    assert all(layer.process_group == "group" for layer in model[:3])
    assert model[1].non_finite == "skip"
    assert not any(layer.training for layer in model)
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_convert_sync_batchnorm_of_single_layer() -> None:
    layer = nn.BatchNorm3d(2)
    assert SyncBatchNorm.convert_sync_batchnorm(layer) is layer
    assert type(layer) is SyncBatchNorm


@pytest.mark.parametrize("lazy", [nn.LazyBatchNorm1d, LazyBatchNorm1d])
def test_convert_sync_batchnorm_of_lazy_layer(lazy: Any) -> None:
    layer = SyncBatchNorm.convert_sync_batchnorm(lazy(), "group")
    layer(torch.randn(4, CHANNELS, generator=torch.Generator().manual_seed(0)))
    assert type(layer) is SyncBatchNorm
    assert layer.process_group == "group"


def test_convert_sync_batchnorm_rejects_virtual_batches() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), BatchNorm1d(2, virtual_batch_size=4))
    with pytest.raises(DataError, match=r"layers with virtual_batch_size: '1'\. Set their"):
        SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(model[0]) is nn.BatchNorm1d
