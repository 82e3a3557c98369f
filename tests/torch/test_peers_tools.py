"""What torch's own tools cannot do with torch's batch norm, and can with evenly's.

`torch.compile`, `torch.export`, `torch.func`, distributed training. Numbers like #85533 are
issues of pytorch/pytorch.
"""

import logging

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, stack_module_state, vmap

import evenly.torch

FORWARD_AD = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
"""Torch scripts its own rules for that when they are first used."""


@pytest.fixture
def x():
    return 3 + torch.randn(16, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def quiet():
    """Torch writes the graph it fails on to the log."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def pair(**options):
    return nn.BatchNorm1d(3, **options), evenly.torch.BatchNorm1d(3, **options)


def close(first, second):
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quiet")
def test_a_cumulative_average_compiles_in_one_graph(x):
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
def test_a_cumulative_average_exports(x):
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
def test_derivatives_of_a_training_layer(x, transform):
    """#85533: torch refuses, because the layer moves its running statistics."""
    torchs, ours = pair()
    with pytest.raises(RuntimeError, match="in-place operation"):
        transform(torchs)(x)
    still, eager = pair(track_running_stats=False)[0], pair()[1]
    close(transform(ours)(x), transform(still)(x))
    eager(x)
    close(ours.state_dict(), eager.state_dict())


def test_the_gradient_by_the_parameters_of_a_training_model(x):
    torchs, ours = (nn.Sequential(nn.Linear(3, 3), layer) for layer in pair())
    ours.load_state_dict(torchs.state_dict())

    def loss(model, parameters):
        return functional_call(model, parameters, (x,)).pow(3).sum()

    with pytest.raises(RuntimeError, match="in-place operation"):
        grad(lambda p: loss(torchs, p))(dict(torchs.named_parameters()))
    found = grad(lambda p: loss(ours, p))(dict(ours.named_parameters()))
    loss(torchs, {}).backward()
    close(found, {name: p.grad for name, p in torchs.named_parameters()})
    close(ours.state_dict(), torchs.state_dict())


def test_a_map_over_batches_says_what_to_do():
    """Which of the batches would move the statistics first? Torch refuses; so do we."""
    many = torch.randn(5, 16, 3)
    for layer in pair():
        with pytest.raises(RuntimeError, match=r"running_mean (or|and) running_var"):
            vmap(layer)(many)
    _, ours = pair(track_running_stats=False)
    close(vmap(ours)(many), torch.stack([ours(batch) for batch in many]))


def test_an_ensemble_maps_over_layers_and_their_statistics():
    """Torch can do this, and so must we."""
    layers = [evenly.torch.BatchNorm1d(3) for _ in range(4)]
    many = torch.randn(4, 16, 3)
    parameters, buffers = stack_module_state(layers)

    def one(parameters, buffers, batch):
        return functional_call(layers[0], (parameters, buffers), (batch,))

    mapped = vmap(one)(parameters, buffers, many)
    close(mapped, torch.stack([layer(batch) for layer, batch in zip(layers, many, strict=True)]))
    close(buffers["running_var"], torch.stack([layer.running_var for layer in layers]))
    assert buffers["num_batches_tracked"].tolist() == [1] * 4


@FORWARD_AD
def test_a_second_derivative_moves_the_statistics_once(x):
    _, ours = pair()
    wanted = hessian(lambda x: pair()[0](x).pow(3).sum())(x)
    close(hessian(lambda x: ours(x).pow(3).sum())(x), wanted)
    assert ours.num_batches_tracked == 1


def test_two_forwards_for_one_backward(x):
    """#175024: between them DistributedDataParallel copies the buffers of rank 0 over."""
    torchs, ours = pair()

    def both(layer):
        first = layer(x)
        for buffer in layer.buffers():
            buffer.copy_(buffer.clone())
        (first + layer(2 * x)).square().sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        both(torchs)
    both(ours)
    fresh = evenly.torch.BatchNorm1d(3)
    (fresh(x) + fresh(2 * x)).square().sum().backward()
    close(ours.weight.grad, fresh.weight.grad)
