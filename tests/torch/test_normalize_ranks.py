"""Tests of `Normalize` on two ranks (gloo): DDP, FSDP, distributed checkpoints, `gather`."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, MixedPrecision, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

import evenly
from evenly.errors import DataError, UnsupportedTypeError
from evenly.torch import Normalize, gather
from process_group import Run, ranks

X = torch.randn(96, 3, generator=torch.Generator().manual_seed(5)) * 3 + 1e4
PARTS = X.chunk(2)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with ranks(2) as started:
        yield started


# ---- On the ranks ------------------------------------------------------------------------


def model_of(layer: nn.Module | None = None) -> nn.Sequential:
    return nn.Sequential(layer or Normalize(3), nn.Linear(3, 2))


def my_batches(start: int = 0) -> Any:
    return PARTS[dist.get_rank()].split([16, 8, 16, 8])[start:]


def step(model: nn.Module, batch: torch.Tensor) -> None:
    model(batch).square().sum().backward()


def learn_under_ddp(broadcast: bool) -> Any:
    model = model_of()
    ddp = DistributedDataParallel(model, broadcast_buffers=broadcast)
    for batch in my_batches():
        step(ddp, batch)
        ddp.eval()(batch)  # DDP broadcasts buffers in evaluation too
        ddp.train()
    mine = model[0].moments
    before = ddp.eval()(X).detach()
    assert gather(ddp) is ddp
    return mine, before, model[0].moments, model[0].eval()(X)


def learn_with_an_average(_: Any) -> Any:
    model = model_of()
    ddp = DistributedDataParallel(model)
    average = AveragedModel(model)
    for batch in my_batches():
        step(ddp, batch)
        average.update_parameters(model)
    return torch.equal(average.eval().module[0](X), model.eval()[0](X)), average.module[0].moments


def continue_from_state_of_rank_0(state: Any) -> Any:
    """Load on rank 0 only: DDP copies it to the others. Gather twice."""
    model = model_of()
    if dist.get_rank() == 0:
        model.load_state_dict(state)
    ddp = DistributedDataParallel(model)
    for batch in my_batches():
        step(ddp, batch)
    gather(ddp)
    return model[0].moments, gather(model)[0].moments


def continue_on_every_rank(state: Any) -> Any:
    model = model_of()
    model.load_state_dict(state)
    for batch in my_batches():
        model(batch)
    moments = gather(model)[0].moments
    for batch in my_batches():
        model(batch)
    return moments, gather(model)[0].moments


def learn_with_empty_first_batches(_: Any) -> Any:
    model = model_of()
    ddp = DistributedDataParallel(model)
    for batch in my_batches():
        step(ddp, X[:0])
        step(ddp, batch if dist.get_rank() == 0 else X[:0])
    for batch in my_batches():
        step(ddp, batch if dist.get_rank() == 1 else X[:0])
    mine = model[0].moments
    return mine, gather(model)[0].moments


def freeze_without_gather(_: Any) -> Any:
    layer = Normalize(3)
    layer(PARTS[dist.get_rank()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer.freeze()
        gather(model_of(layer.unfreeze()))[0].freeze()
        Normalize.fit(X)
    return [str(warning.message) for warning in caught]


def gather_own_fits(_: Any) -> Any:
    layer = Normalize.from_moments(evenly.fit(PARTS[dist.get_rank()]))
    return gather(nn.Sequential(layer))[0].moments, layer.frozen


def gather_model(model: nn.Module) -> Any:
    return gather(model)


def gather_averaged(on_rank: int) -> Any:
    layer = Normalize.fit(X)
    if dist.get_rank() == on_rank:
        layer.hi.mul_(2)
    return gather(nn.Sequential(layer))


def load_distributed_checkpoint(folder: str) -> Any:
    """Save after each number of batches of all ranks, and load into new models."""
    found = []
    for number in range(len(my_batches()) + 1):
        model = model_of()
        for batch in my_batches()[:number]:
            model(batch)
        gather(model)
        dcp.save(model.state_dict(), checkpoint_id=f"{folder}/{number}")
        state = model_of().state_dict()
        dcp.load(state, checkpoint_id=f"{folder}/{number}")
        fresh = model_of()
        fresh.load_state_dict(state)
        found.append(fresh[0].moments)
    return found


def load_ranks_that_differ(folder: str) -> Any:
    model = model_of()
    model(PARTS[dist.get_rank()])
    dcp.save(model.state_dict(), checkpoint_id=folder)
    fresh = model_of()
    state = fresh.state_dict()
    dcp.load(state, checkpoint_id=folder)
    fresh.load_state_dict(state)
    try:
        found = fresh[0].moments
    except DataError as error:
        found = str(error)
    return fresh[0].eval()(X), Normalize.fit(X)(X), found


def shard(kind: str) -> Any:
    """Learn in a sharded model, and load its state into another one."""
    from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict

    def wrap(model: nn.Sequential) -> nn.Module:
        if kind == "fully_shard":
            mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
            return fully_shard(model, mesh=mesh)
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"))

    model = wrap(model_of())
    for batch in my_batches():
        step(model, batch)
    fresh = wrap(model_of())
    set_model_state_dict(fresh, get_model_state_dict(model))
    (one,) = (layer for layer in model.modules() if isinstance(layer, Normalize))
    (two,) = (layer for layer in fresh.modules() if isinstance(layer, Normalize))
    outputs = torch.equal(one.eval()(X), two.eval()(X))
    return one.moments, two.moments, outputs, gather(model) is model, one.moments


def shard_with_casts(learn: bool) -> Any:
    """Let FSDP cast the buffers."""
    precision = MixedPrecision(buffer_dtype=torch.bfloat16, cast_root_forward_inputs=False)
    cpu = torch.device("cpu")
    wide = X.double() + 1e6
    layer = Normalize(3) if learn else Normalize.fit(wide)
    model = FullyShardedDataParallel(
        model_of(layer).double(), device_id=cpu, mixed_precision=precision
    )
    with torch.no_grad():
        model(wide)
        return layer(wide), layer.moments, Normalize.fit(wide)(wide)


# ---- In this process ---------------------------------------------------------------------


@pytest.mark.parametrize("broadcast", [True, False])
def test_each_rank_learns_its_own_rows_under_ddp(run: Run, broadcast: bool):
    for part, result in zip(PARTS, run(learn_under_ddp, [broadcast] * 2), strict=True):
        mine, _, merged, y = result
        assert mine == evenly.fit(part)
        assert merged == evenly.fit(X)
        assert merged.min.tolist() == evenly.fit(X).min.tolist()
        assert not merged.extremes_are_bounds
        assert torch.equal(y, Normalize.fit(X)(X))


def test_ranks_evaluate_alike_with_broadcast_buffers(run: Run):
    (_, one, *_), (_, two, *_) = run(learn_under_ddp, [True] * 2)
    assert torch.equal(one, two)


def test_average_of_a_model_under_ddp(run: Run):
    for part, (is_equal, moments) in zip(PARTS, run(learn_with_an_average, [0, 0]), strict=True):
        assert is_equal
        assert moments == evenly.fit(part)


@pytest.mark.parametrize("function", [continue_from_state_of_rank_0, continue_on_every_rank])
def test_loaded_statistics_count_once(run: Run, function: Any):
    given = Normalize(3)
    given(X + 5)
    for first, second in run(function, [model_of(given).state_dict()] * 2):
        assert first == evenly.fit(torch.cat([X + 5, X]))
        again = [X] if function is continue_on_every_rank else []
        assert second == evenly.fit(torch.cat([X + 5, X, *again]))


def test_rank_without_rows_at_first(run: Run):
    for part, (mine, merged) in zip(
        PARTS, run(learn_with_empty_first_batches, [0, 0]), strict=True
    ):
        assert mine == evenly.fit(part)
        assert merged == evenly.fit(X)


def test_freeze_without_gather_warns(run: Run):
    for (message,) in run(freeze_without_gather, [0, 0]):
        assert "frozen with the statistics of this rank's rows alone. Call evenly.torch" in message


def test_gather_adds_up_different_moments_of_ranks(run: Run):
    assert run(gather_own_fits, [0, 0]) == [(evenly.fit(X), True)] * 2


def test_gather_of_model_without_layers_raises(run: Run):
    for error in run(gather_model, [nn.Sequential(nn.Linear(3, 2)), model_of()]):
        assert isinstance(error, DataError)
        assert "must have the same Normalize layers, at least one. Received: [] on" in str(error)


def test_gather_of_something_else_raises(run: Run):
    for error in run(gather_model, [np.zeros(3)] * 2):
        assert isinstance(error, UnsupportedTypeError)
        assert "Only moments and models can be gathered. Received: ndarray." in str(error)


def test_gather_of_unknown_statistics_raises_on_every_rank(run: Run):
    for error in run(gather_averaged, [1, 1]):
        assert isinstance(error, DataError)
        assert "must be known on every rank. Received: buffers that were averaged" in str(error)
        assert "['0']" in str(error)


def test_distributed_checkpoint_at_every_stage_of_learning(run: Run, tmp_path: Path):
    for found in run(load_distributed_checkpoint, [str(tmp_path)] * 2):
        sizes = [0, 16, 24, 40, 48]
        assert [moments.rows for moments in found] == [2 * rows for rows in sizes]
        parts = [torch.cat([part[:rows] for part in PARTS]) for rows in sizes[1:]]
        assert found[1:] == [evenly.fit(part) for part in parts]


def test_checkpoint_of_ranks_that_differ_is_not_stale(run: Run, tmp_path: Path):
    """torch.distributed.checkpoint saves each tensor from any one of the ranks."""
    fits = [evenly.fit(part) for part in PARTS]
    for y, expected, found in run(load_ranks_that_differ, [str(tmp_path)] * 2):
        assert (y - expected).abs().max() < 1
        assert found in fits or "before several ranks save a checkpoint, call evenly.t" in found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["fully_shard", "FullyShardedDataParallel"])
def test_sharded_model_learns_and_loads(run: Run, kind: str):
    for part, result in zip(PARTS, run(shard, [kind] * 2), strict=True):
        assert not isinstance(result, Exception), result
        mine, loaded, is_equal, is_same, merged = result
        assert mine == loaded == evenly.fit(part)
        assert is_equal
        assert is_same
        assert merged == evenly.fit(X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("learn", [False, True])
def test_buffers_that_fsdp_casts_keep_their_precision(run: Run, learn: bool):
    for result in run(shard_with_casts, [learn] * 2):
        assert not isinstance(result, Exception), result
        y, moments, expected = result
        assert torch.equal(y, expected)
        assert moments.rows == len(X) * (2 if learn else 1)
