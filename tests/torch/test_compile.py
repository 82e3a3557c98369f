"""Tests of compiled batch norms: their graphs call the kernels, with the bits of eager calls."""

import inspect
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch.library import opcheck
from torch.utils.checkpoint import checkpoint

import evenly.torch as et
from evenly.torch import composite, operators

FORWARD, BACKWARD = "evenly.batch_norm.default", "evenly.batch_norm_backward.default"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let graphs call the operators for small batches too."""
    monkeypatch.setattr(operators, "MIN_VALUES", 0)
    torch.compiler.reset()


class Compiled:
    """A module compiled without graph breaks; records the operators of each graph."""

    def __init__(self, module: Any) -> None:
        self.graphs: list[list[str]] = []
        compiler = aot_autograd(fw_compiler=self._compile)
        self.call = torch.compile(module, fullgraph=True, backend=compiler)

    def _compile(self, graph: Any, inputs: Any) -> Any:
        self.graphs.append([str(n.target) for n in graph.graph.nodes if n.op == "call_function"])
        return make_boxed_func(graph.forward)

    def count(self, operator: str) -> int:
        return sum(graph.count(operator) for graph in self.graphs)


def batch(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    x = 5 + torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.to(dtype).requires_grad_()


def step(layer: Any, x: Tensor, parameters: Any) -> tuple[Tensor, ...]:
    y = layer(x)
    return y, *torch.autograd.grad(y.pow(3).sum(), [x, *parameters])


def assert_identical(first: Any, second: Any) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert a.stride() == b.stride()


def same_statistics(first: nn.Module, second: nn.Module) -> None:
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"non_finite": "skip"},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
        {"update": "step"},
        {"single": "running", "update": "batch"},
        {"virtual_batch_size": 4},
    ],
    ids=str,
)
def test_training_calls_the_kernels_with_the_bits_of_eager_calls(options: dict) -> None:
    eager, layer = (et.BatchNorm1d(3, **options) for _ in range(2))
    compiled = Compiled(layer)
    for seed in range(2):
        x = batch(8, 3, seed=seed)
        results = (step(f, x, m.parameters()) for f, m in ((compiled.call, layer), (eager, eager)))
        assert_identical(*results)
    same_statistics(layer, eager)
    assert compiled.count(FORWARD) == compiled.count(BACKWARD) > 0
    assert not compiled.count("aten.rsqrt.default")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_layouts_and_dtypes(layout: torch.memory_format, dtype: torch.dtype) -> None:
    layer = et.BatchNorm2d(3, dtype=torch.float64 if dtype is torch.float64 else torch.float32)
    x = batch(4, 3, 5, 2, dtype=dtype).detach().to(memory_format=layout).requires_grad_()
    compiled = Compiled(layer)
    results = (step(f, x, layer.parameters()) for f in (compiled.call, layer))
    assert_identical(*results)
    assert compiled.count(BACKWARD) == 1


def test_new_batch_sizes_compile_one_dynamic_graph() -> None:
    layer = et.BatchNorm1d(3)
    compiled = Compiled(layer)
    for rows in (5, 6, 9, 17, 33):
        x = batch(rows, 3)
        assert_identical(*(step(f, x, layer.parameters()) for f in (compiled.call, layer)))
    assert compiled.count(FORWARD) == compiled.count(BACKWARD) == 2


def test_small_batches_consist_of_operations_which_the_compiler_fuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operators, "MIN_VALUES", 30)
    layer, other = et.BatchNorm1d(3), et.BatchNorm1d(3)
    compiled = Compiled(layer)
    for rows, calls in ((4, 0), (9, 0), (10, 1), (33, 1), (8, 1)):
        x = batch(rows, 3)
        results = [step(other, x, other.parameters())]
        results.append(step(compiled.call, x, layer.parameters()))
        torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
        assert compiled.count(FORWARD) == compiled.count(BACKWARD) == calls
    same_statistics(layer, other)
    assert len(compiled.graphs) <= 2 * 3


def test_layer_is_one_operator_in_the_traced_graph() -> None:
    traced: list[list[str]] = []

    def backend(graph: Any, inputs: Any) -> Any:
        traced.append([str(n.target) for n in graph.graph.nodes if n.op == "call_function"])
        return graph

    layer = et.BatchNorm1d(3, non_finite="skip")
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    compiled(batch(8, 3))
    layer.eval()
    compiled(batch(8, 3))
    assert traced == [["evenly.normalize_and_update.default"], ["evenly.normalize_fixed.default"]]


def test_key_of_cached_graphs_changes_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    key = composite.graph_key()
    assert composite.graph_key() == key
    monkeypatch.setattr(operators, "MIN_VALUES", 7)
    assert composite.graph_key() != key
    composite._digest.cache_clear()
    monkeypatch.setattr(inspect, "getsource", lambda module: "changed")
    changed = composite.graph_key()
    composite._digest.cache_clear()
    assert changed.partition("-")[0] != key.partition("-")[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # of Inductor
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_small_batches_are_exact_at_offsets_and_for_constants_with_the_default_backend(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "MIN_VALUES", 2**16)
    layer, eager = et.BatchNorm2d(3), et.BatchNorm2d(3)
    x = batch(6, 3, 2, 2, dtype=dtype).detach()
    x[:, 1] = 1234567.0
    x[:, 2] += 100000
    for other in (layer, eager):
        with torch.no_grad():
            other.weight.copy_(torch.tensor([2.0, -1.0, 0.5]))
            other.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    results = [
        step(f, x.clone().requires_grad_(), m.parameters())
        for f, m in ((torch.compile(layer, fullgraph=True), layer), (eager, eager))
    ]
    assert results[0][0][:, 1].unique().tolist() == [layer.bias[1].to(dtype).item()]
    tolerance = 1e-6 if dtype is torch.float32 else 1e-2
    for ours, expected in zip(*results, strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance * scale)
    same_statistics(layer, eager)


def test_error_for_one_row_says_what_to_do_whether_the_graph_may_break_or_not() -> None:
    message = 'Expected more than 1 value per channel.*Set single="running"'
    with pytest.raises(ValueError, match=message):
        torch.compile(et.BatchNorm1d(3), backend="eager")(torch.ones(1, 3))
    with pytest.raises(Exception, match=message):
        torch.compile(et.BatchNorm1d(3), backend="eager", fullgraph=True)(torch.ones(1, 3))


@pytest.mark.parametrize("training", [True, False])
def test_lengths_beyond_the_input_are_an_error_when_the_graph_runs(training: bool) -> None:
    layer = et.BatchNorm1d(5).train(training)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x, lengths = batch(4, 5, 3), torch.tensor([3, 0, 1, 2])
    torch.testing.assert_close(compiled(x, lengths=lengths), layer(x, lengths=lengths))
    for wrong in (4, -1):
        with pytest.raises(RuntimeError, match="lengths must be from 0 to the length of the input"):
            compiled(x, lengths=torch.full((4,), wrong))


def test_only_the_needed_gradients() -> None:
    layer, x = et.BatchNorm1d(3), batch(8, 3)
    layer.weight.requires_grad_(False)
    compiled = Compiled(layer)
    assert_identical(*(step(f, x, [layer.bias]) for f in (compiled.call, layer)))
    y = compiled.call(x.detach())
    (gradient,) = torch.autograd.grad(y.sum(), layer.bias)
    assert gradient.tolist() == [8.0, 8.0, 8.0]


def test_batch_that_is_not_dense() -> None:
    layer = et.BatchNorm1d(3)
    x = batch(3, 8)
    for view in (lambda x: x.T, lambda x: x.T[::2]):
        compiled = Compiled(lambda x, view=view: layer(view(x)))
        eager = step(lambda x, view=view: layer(view(x)), x, layer.parameters())
        results = step(compiled.call, x, layer.parameters())
        torch.testing.assert_close(results, eager, rtol=0, atol=0)
        assert compiled.count(FORWARD) == 1


def test_network_under_autocast() -> None:
    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), et.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))

    model, other = network(), network()
    compiled = Compiled(model)
    with torch.autocast("cpu", torch.bfloat16):
        y, its = compiled.call(batch(16, 3)), other(batch(16, 3))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, its)
    y.sum().backward()
    its.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    same_statistics(model, other)
    assert compiled.count(BACKWARD) == 1


def test_activation_checkpointing_updates_the_statistics_once() -> None:
    layer, other = et.BatchNorm1d(3), et.BatchNorm1d(3, update="batch")
    compiled = Compiled(lambda x: checkpoint(layer, x, use_reentrant=False).relu())
    x = batch(8, 3)
    results = step(compiled.call, x, layer.parameters())
    assert_identical(results, step(lambda x: other(x).relu(), x, other.parameters()))
    same_statistics(layer, other)
    assert compiled.count(FORWARD) == 2  # the second one in the backward graph


def test_transforms_in_a_compiled_function_are_differentiated_in_operations() -> None:
    layer = et.BatchNorm1d(3, track_running_stats=False)

    def second_derivative(x: Tensor) -> Tensor:
        first = torch.func.grad(lambda x: layer(x).pow(3).sum())
        return torch.func.grad(lambda x: first(x).pow(2).sum())(x)

    x = batch(6, 3).detach()
    compiled = Compiled(second_derivative)
    torch.testing.assert_close(compiled.call(x), second_derivative(x))
    assert not compiled.count(FORWARD)


def test_function_calls_the_kernels() -> None:
    def function(x: Tensor) -> Tensor:
        return et.functional.batch_norm(x, None, None, training=True)

    compiled = Compiled(function)
    assert_identical(*(step(f, batch(8, 3), []) for f in (compiled.call, function)))
    assert compiled.count(FORWARD) == 1


def test_exported_training_does_not_need_this_package() -> None:
    program = torch.export.export(et.BatchNorm1d(3), (batch(8, 3).detach(),))
    assert "evenly" not in str(program.graph)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_evaluation_is_affine_in_float32(dtype: torch.dtype) -> None:
    layer = et.BatchNorm1d(64).eval()
    generator = torch.Generator().manual_seed(0)
    layer.running_var.uniform_(1e-3, 9, generator=generator)
    layer.running_mean.normal_(generator=generator)
    nn.init.uniform_(layer.weight, generator=generator)
    x = batch(50, 64, dtype=dtype).detach()
    compiled = Compiled(layer)
    rounding = torch.finfo(dtype).eps
    torch.testing.assert_close(compiled.call(x), layer(x), rtol=4 * rounding, atol=0)
    assert not compiled.count(FORWARD)
    assert compiled.count("aten._to_copy.default") == (2 if dtype is torch.bfloat16 else 0)


CASES = {
    "plain": lambda: (batch(6, 3), batch(3), batch(3)),
    "without parameters": lambda: (batch(6, 3, 2), None, None),
    "bias only": lambda: (batch(6, 3).half(), None, batch(3)),
    "channels last": lambda: (
        batch(2, 3, 4, 5).detach().to(memory_format=torch.channels_last).requires_grad_(),
        batch(3),
        None,
    ),
    "not dense": lambda: (batch(6, 6).detach()[::2, ::2].requires_grad_(), batch(3), batch(3)),
    "negated": lambda: (torch._neg_view(batch(6, 3).detach()), batch(3), batch(3)),
}


@pytest.mark.parametrize("case", CASES)
def test_operators_pass_torchs_checks(case: str) -> None:
    x, weight, bias = CASES[case]()
    if case == "bias only":
        x = x.detach().requires_grad_()
    opcheck(torch.ops.evenly.batch_norm.default, (x, weight, bias, 1e-5))
    saved = torch.ops.evenly.batch_norm(x.detach(), weight, bias, 1e-5)[1]
    dtype = x.dtype if bias is None else bias.dtype
    gradient = batch(*x.shape, dtype=x.dtype).detach()
    needed = [True, weight is not None, bias is not None]
    for needs in (needed, [False] * 3):
        arguments = (x.detach(), gradient, weight, dtype, saved, needs)
        arguments = tuple(a.detach() if isinstance(a, Tensor) else a for a in arguments)
        opcheck(torch.ops.evenly.batch_norm_backward.default, arguments)


def test_learning_normalize_and_batch_norm_compile_into_one_graph() -> None:
    model, other = (nn.Sequential(et.Normalize(3), et.BatchNorm1d(3)) for _ in range(2))
    compiled = Compiled(model)
    for seed in range(2):
        x = batch(8, 3, seed=seed).detach()
        torch.testing.assert_close(compiled.call(x), other(x), rtol=1e-6, atol=1e-6)
    assert model[0].moments == other[0].moments
    same_statistics(model[1], other[1])
    assert compiled.count(FORWARD) == 1
