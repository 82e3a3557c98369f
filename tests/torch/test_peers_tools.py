"""Tests of torch's tools that fail with torch's batch norm and work with evenly's.

They are `torch.compile`, `torch.export`, `torch.func` and distributed training. Numbers like
#85533 are issues of pytorch/pytorch.
"""

import logging

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, stack_module_state, vmap

import evenly.torch

FORWARD_AD = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
"""torch compiles its forward-mode rules with torch.jit.script on first use."""


@pytest.fixture
def x():
    return 3 + torch.randn(16, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def quiet():
    """Silence the log, to which torch writes the failing graph."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def pair(**options):
    return nn.BatchNorm1d(3, **options), evenly.torch.BatchNorm1d(3, **options)


def close(first, second):
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quiet")
def test_cumulative_average_compiles_with_fullgraph(x):
    """#194504."""
    torchs, ours = pair(momentum=None)
    torch.compiler.reset()
    with pytest.raises(Exception, match="data-dependent"):
        torch.compile(torchs, fullgraph=True, backend="aot_eager")(x)
    torch.compiler.reset()
    _, eager = pair(momentum=None)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for batch in (x, 2 * x, x - 1):
        close(compiled(batch), eager(batch))
    close(ours.state_dict(), eager.state_dict())


@pytest.mark.usefixtures("quiet")
def test_cumulative_average_exports(x):
    torchs, ours = pair(momentum=None)
    with pytest.raises(Exception, match="data-dependent"):
        torch.export.export(torchs, (x,))
    program = torch.export.export(ours, (x,)).module()
    _, eager = pair(momentum=None)
    for batch in (x, 2 * x):
        close(program(batch), eager(batch))
    close(dict(program.named_buffers())["running_mean"], eager.running_mean)


@FORWARD_AD
@pytest.mark.parametrize("transform", [jacrev, jacfwd, lambda f: grad(lambda x: f(x).sum())])
def test_func_transforms_of_training_layer(x, transform):
    """#85533: torch's layer fails, because it updates its running statistics."""
    torchs, ours = pair()
    with pytest.raises(RuntimeError, match="in-place operation"):
        transform(torchs)(x)
    untracked, eager = pair(track_running_stats=False)[0], pair()[1]
    close(transform(ours)(x), transform(untracked)(x))
    eager(x)
    close(ours.state_dict(), eager.state_dict())


def test_func_grad_by_parameters_of_training_model(x):
    torch.manual_seed(0)  # gradients that are all but 0 are compared absolutely
    torchs, ours = (nn.Sequential(nn.Linear(3, 3), layer) for layer in pair())
    ours.load_state_dict(torchs.state_dict())

    def loss(model, parameters):
        return functional_call(model, parameters, (x,)).pow(3).sum()

    with pytest.raises(RuntimeError, match="in-place operation"):
        grad(lambda p: loss(torchs, p))(dict(torchs.named_parameters()))
    gradients = grad(lambda p: loss(ours, p))(dict(ours.named_parameters()))
    loss(torchs, {}).backward()
    expected = {name: p.grad for name, p in torchs.named_parameters()}
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-3)
    close(ours.state_dict(), torchs.state_dict())


def test_vmap_over_batches_raises():
    """The order of updates would be undefined, so torch's layer and evenly's raise errors."""
    many = torch.randn(5, 16, 3)
    for layer in pair():
        with pytest.raises(RuntimeError, match=r"running_mean (or|and) running_var"):
            vmap(layer)(many)
    _, ours = pair(track_running_stats=False)
    close(vmap(ours)(many), torch.stack([ours(batch) for batch in many]))


def test_vmap_over_ensemble_of_layers():
    """This works with torch's layer, too."""
    layers = [evenly.torch.BatchNorm1d(3) for _ in range(4)]
    many = torch.randn(4, 16, 3)
    parameters, buffers = stack_module_state(layers)

    def call(parameters, buffers, batch):
        return functional_call(layers[0], (parameters, buffers), (batch,))

    mapped = vmap(call)(parameters, buffers, many)
    close(mapped, torch.stack([layer(batch) for layer, batch in zip(layers, many, strict=True)]))
    close(buffers["running_var"], torch.stack([layer.running_var for layer in layers]))
    assert buffers["num_batches_tracked"].tolist() == [1] * 4


@FORWARD_AD
def test_hessian_updates_running_statistics_once(x):
    _, ours = pair()
    expected = hessian(lambda x: pair()[0](x).pow(3).sum())(x)
    close(hessian(lambda x: ours(x).pow(3).sum())(x), expected)
    assert ours.num_batches_tracked == 1


def test_two_forward_passes_before_backward(x):
    """#175024: between them DistributedDataParallel overwrites the buffers with rank 0's."""
    torchs, ours = pair()

    def run_twice(layer):
        first = layer(x)
        for buffer in layer.buffers():
            buffer.copy_(buffer.clone())
        (first + layer(2 * x)).square().sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        run_twice(torchs)
    run_twice(ours)
    fresh = evenly.torch.BatchNorm1d(3)
    (fresh(x) + fresh(2 * x)).square().sum().backward()
    close(ours.weight.grad, fresh.weight.grad)
