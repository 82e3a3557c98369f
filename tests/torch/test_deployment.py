"""Tests of models with evenly's layers in TorchScript, `torch.fx`, `torch.export` and ONNX."""

import copy
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

import evenly.torch as et
from evenly.errors import DataError

# torch.jit and torch.onnx warn that parts of them are deprecated
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)  # of the exporters
    yield
    logging.disable(logging.NOTSET)


def images(seed: int = 0, size: int = 6) -> Tensor:
    return torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(seed))


def randomized(layer: Any) -> Any:
    """Return the layer with random statistics and parameters."""
    generator = torch.Generator().manual_seed(1)
    layer.running_mean.normal_(generator=generator)
    layer.running_var.uniform_(0.5, 2.0, generator=generator)
    if layer.weight is not None:
        nn.init.uniform_(layer.weight, -1.0, 1.0, generator=generator)
        nn.init.normal_(layer.bias, generator=generator)
    return layer


def network(layer: nn.Module) -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.ReLU())


LAYERS = {
    "plain": lambda: et.BatchNorm2d(4),
    "without parameters": lambda: et.BatchNorm2d(4, affine=False),
    "synchronized": lambda: et.SyncBatchNorm(4),
    "with options": lambda: et.BatchNorm2d(4, non_finite="skip", update="step", single="running"),
    "converted": lambda: et.convert(nn.BatchNorm2d(4)),
}


@pytest.fixture(params=LAYERS)
def model(request: pytest.FixtureRequest) -> nn.Sequential:
    return network(randomized(LAYERS[request.param]())).eval()


def close(first: Any, second: Any) -> None:
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


# TorchScript


def test_script_evaluates_as_the_model_and_leaves_it_alone(model: nn.Sequential) -> None:
    before, x = type(model[1]), images()
    scripted = torch.jit.script(model)
    close(scripted(x), model(x))
    assert type(model[1]) is before
    assert dict(scripted.named_buffers()).keys() == dict(model.named_buffers()).keys()
    close(torch.jit.freeze(scripted)(x), model(x))


def test_freezing_folds_scripted_batch_norm_into_convolution() -> None:
    model = network(randomized(et.BatchNorm2d(4))).eval()
    frozen = torch.jit.freeze(torch.jit.script(model))
    assert "batch_norm" not in str(frozen.graph)
    close(frozen(images()), model(images()))


def test_scripted_layer_trains_as_torchs() -> None:
    for momentum in (0.1, None):
        torchs, ours = nn.BatchNorm2d(3, momentum=momentum), et.BatchNorm2d(3, momentum=momentum)
        layers = [torch.jit.script(layer) for layer in (torchs, ours)]
        for seed in range(3):
            close(*(layer(images(seed)) for layer in layers))
        for name, value in torchs.state_dict().items():
            close(ours.state_dict()[name], value)  # shared with the scripted layer


def test_scripted_model_runs_without_evenly(tmp_path: Path) -> None:
    model = nn.Sequential(et.Normalize.fit(images()), network(randomized(et.BatchNorm2d(4))))
    x, file = images(3), tmp_path / "model.pt"
    torch.jit.script(model.eval()).save(file)
    torch.save((x, model(x).detach()), tmp_path / "data.pt")
    code = (
        "import sys, torch\n"
        "sys.modules['evenly'] = None\n"
        f"x, y = torch.load({str(tmp_path / 'data.pt')!r})\n"
        f"torch.testing.assert_close(torch.jit.load({str(file)!r})(x), y)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (et.BatchNorm1d(3, single="running", update="step"), "single, update"),
        (et.BatchNorm1d(3, virtual_batch_size=2), "virtual_batch_size"),
        (et.BatchNorm1d(3).freeze(), "frozen"),
        (et.SyncBatchNorm(3), "synchronization"),
    ],
)
def test_script_refuses_to_train_with_evenlys_options(layer: nn.Module, options: str) -> None:
    model = nn.Sequential(nn.Linear(3, 3), layer)
    message = (
        rf"Received: {type(layer).__name__} in training mode with {options}\. Call \.eval\(\) "
        r'first, or convert a copy of the model with convert\(copy, to="torch"\)\.'
    )
    with pytest.raises(DataError, match=message):
        torch.jit.script(model)
    scripted = torch.jit.script(model.eval())
    close(scripted(images()[:, :, 0, 0]), model(images()[:, :, 0, 0]))
    with pytest.raises(torch.jit.Error, match="TorchScript cannot train this layer"):
        scripted.train()(torch.zeros(4, 3))


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = et.BatchNorm1d(3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.layer(x, mask=mask)


def test_scripted_layer_refuses_a_mask() -> None:
    scripted = torch.jit.script(Masked())
    with pytest.raises(torch.jit.Error, match=r"has no mask\. Received: mask or lengths\."):
        scripted(torch.zeros(4, 3, 5), torch.ones(4, 5, dtype=torch.bool))


@pytest.mark.parametrize("missing", ["keep", "zero"])
@pytest.mark.parametrize("inverse", [False, True])
def test_scripted_normalize_is_bit_identical(missing: Any, inverse: bool) -> None:
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 3 + 1e6
    layer = et.Normalize.fit(rows, missing=missing)
    layer = layer.inverse() if inverse else layer
    scripted = torch.jit.script(layer)
    inputs = [rows, rows.double(), (rows - 1e6).half(), torch.arange(12).view(4, 3), images()]
    inputs += [torch.tensor([[1.0, torch.nan, 2.0]])]
    for x in inputs:
        torch.testing.assert_close(scripted(x), layer(x), rtol=0, atol=0, equal_nan=True)
    with pytest.raises(torch.jit.Error, match="the layer's number of features along feature_axis"):
        scripted(torch.zeros(2, 5))
    last = et.Normalize.fit(rows, feature_axis=-1)
    assert torch.equal(torch.jit.script(last)(rows[0]), last(rows[0]))


@pytest.mark.parametrize("missing", ["keep", "zero"])
@pytest.mark.parametrize("clip", [1, 0.5])
def test_scripted_normalize_clips(missing: Any, clip: float) -> None:
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    layer = et.Normalize.fit(rows, missing=missing, clip=clip)
    scripted = torch.jit.script(layer)
    for x in (rows, rows.half(), torch.tensor([[100, -100, 0]]), torch.full((1, 3), torch.nan)):
        torch.testing.assert_close(scripted(x), layer(x), rtol=0, atol=0, equal_nan=True)
    assert scripted(rows).abs().max() == clip


def test_scripted_normalize_without_statistics_is_the_identity_if_asked_for() -> None:
    x = torch.tensor([[9.0, -9.0, 0.5]])
    assert torch.equal(torch.jit.script(et.Normalize(3, unfitted="identity").eval())(x), x)
    both = torch.jit.script(et.Normalize(3, unfitted="identity", clip=2.0).eval())
    assert both(x).tolist() == [[2.0, -2.0, 0.5]]


def test_script_of_normalize_needs_statistics_and_never_learns() -> None:
    with pytest.raises(DataError, match=r"TorchScript cannot learn statistics\. Received: Nor"):
        torch.jit.script(et.Normalize(3))
    with pytest.raises(DataError, match="needs statistics before it is used in evaluation"):
        torch.jit.script(et.Normalize(3).eval())
    layer = et.Normalize(3)
    layer(images())
    scripted = torch.jit.script(layer.eval())
    assert torch.equal(scripted(images(1)), layer(images(1)))
    with pytest.raises(torch.jit.Error, match="TorchScript cannot learn statistics"):
        scripted.train()(images())
    frozen = torch.jit.script(layer.train().freeze())
    assert torch.equal(frozen.train()(images(1)), layer(images(1)))


# torch.jit.trace


@pytest.mark.parametrize("kind", ["plain", "without parameters", "converted"])
def test_trace_records_one_operator_without_warnings(kind: str) -> None:
    layer, x = randomized(LAYERS[kind]()), images(size=4)
    model = network(layer).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, x)
    kinds = [node.kind() for node in traced.inlined_graph.nodes()]
    assert kinds.count("aten::batch_norm") == 1
    assert not {"aten::sub", "aten::mul"} & set(kinds)
    close(traced(images(7)), model(images(7)))


def test_trace_of_normalize() -> None:
    layer = et.Normalize.fit(images())
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(layer, images(1))
    assert torch.equal(traced(images(2, size=3)), layer(images(2, size=3)))
    with pytest.raises(DataError, match=r"Export or trace it after \.eval\(\) or \.freeze\(\)\."):
        torch.jit.trace(layer.unfreeze().train(), images())


# torch.fx


def test_symbolic_trace_records_layers_as_modules(model: nn.Sequential) -> None:
    model = nn.Sequential(et.Normalize.fit(images()), *model).eval()
    traced = torch.fx.symbolic_trace(model)
    called = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    assert called == ["0", "1", "2", "3"]
    assert traced.get_submodule("2") is model[2]
    assert torch.equal(traced(images(1)), model(images(1)))
    again = torch.fx.symbolic_trace(copy.deepcopy(traced))  # what tools do with a traced model
    assert torch.equal(again(images(1)), model(images(1)))


def test_traced_model_trains_and_learns() -> None:
    models = [nn.Sequential(et.Normalize(3), network(et.BatchNorm2d(4))) for _ in range(2)]
    traced = torch.fx.symbolic_trace(models[0])
    for seed in range(3):
        assert torch.equal(traced(images(seed)), models[1](images(seed)))
    assert models[0][0].moments == models[1][0].moments
    assert torch.equal(models[0][1][1].running_var, models[1][1][1].running_var)


def test_symbolic_trace_passes_a_mask_on() -> None:
    model, x = Masked().eval(), torch.randn(4, 3, 5)
    mask = torch.arange(20).view(4, 5) % 3 > 0
    traced = torch.fx.symbolic_trace(model)
    assert torch.equal(traced(x, mask), model(x, mask))
    assert not traced(x, mask)[:, 0][~mask].any()


def test_symbolic_trace_of_the_function() -> None:
    def function(x: Tensor) -> Tensor:
        return et.functional.batch_norm(x, None, None, training=True).relu()

    traced = torch.fx.symbolic_trace(function)
    assert torch.equal(traced(images()), function(images()))


def test_symbolic_trace_of_layers_that_have_no_graph() -> None:
    with pytest.raises(DataError, match=r"BatchNorm1d as the model itself\. Trace nn\.Sequential"):
        torch.fx.symbolic_trace(et.BatchNorm1d(3))
    with pytest.raises(DataError, match="Call the model with one batch before tracing it"):
        torch.fx.symbolic_trace(nn.Sequential(et.LazyBatchNorm1d()))


@pytest.mark.filterwarnings("ignore:Please use quant_min and quant_max")
def test_fx_quantization_of_a_model_converted_to_torch() -> None:
    quantize_fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    mapping = torch.ao.quantization.get_default_qconfig_mapping()
    model = network(randomized(et.BatchNorm2d(4))).eval()
    fused = quantize_fx.fuse_fx(et.convert(copy.deepcopy(model), to="torch"))
    assert [type(m).__name__ for m in fused.children()] == ["ConvReLU2d"]
    close(fused(images()), model(images()))
    prepared = quantize_fx.prepare_fx(model, mapping, (images(),))  # as a float layer
    close(prepared(images()), model(images()))


# torch.export and ONNX


@pytest.mark.parametrize("strict", [False, True])
def test_export_shows_one_batch_norm(model: nn.Sequential, strict: bool) -> None:
    rows = ({0: torch.export.Dim("rows")},)
    program = torch.export.export(model, (images(),), dynamic_shapes=rows, strict=strict)
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    operators = [str(target) for target in called if "aten" in str(target)]
    names = ["aten.conv2d.default", "aten.batch_norm.default", "aten.relu.default"]
    assert operators == names
    close(program.module()(images(1)[:2]), model(images(1)[:2]))


def test_export_of_frozen_layer_in_training_shows_one_batch_norm() -> None:
    model = network(randomized(et.BatchNorm2d(4)).freeze())
    program = torch.export.export(model, (images(),))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called.count("aten.batch_norm.default") == 1
    close(program.module()(images(1)), model(images(1)))


def test_make_fx_shows_one_batch_norm(model: nn.Sequential) -> None:
    graph = make_fx(model)(images())
    names = [str(node.target) for node in graph.graph.nodes]
    assert sum("batch_norm" in name for name in names) == 1
    close(graph(images(1)), model(images(1)))


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "trace"])
def test_onnx_folds_batch_norm_into_convolution(
    model: nn.Sequential, dynamo: bool, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path / "model.onnx"
    options = {"verbose": False} if dynamo else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by the exporters
        torch.onnx.export(model, (images(),), file, dynamo=dynamo, **options)
    assert [node.op_type for node in onnx.load(file).graph.node] == ["Conv", "Relu"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: images(1).numpy()})
    torch.testing.assert_close(torch.from_numpy(y), model(images(1)), rtol=1e-4, atol=1e-5)


def test_compiled_evaluation_keeps_its_operations() -> None:
    """The compiler fuses elementwise operations, which are right at any offset."""
    layer = et.BatchNorm1d(3)
    layer.running_mean.fill_(1e6)
    x = 1e6 + torch.arange(12.0).view(4, 3)
    compiled = torch.compile(layer.eval(), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), layer(x))


# Fusion


@pytest.mark.parametrize("kind", ["plain", "converted", "with options"])
def test_fuse_modules_in_evaluation(kind: str) -> None:
    model = network(randomized(LAYERS[kind]())).eval()
    fused = torch.ao.quantization.fuse_modules(model, [["0", "1", "2"]])
    assert type(fused[0]) is torch.ao.nn.intrinsic.ConvReLU2d
    assert isinstance(model[1], et.BatchNorm2d), "the original model was changed"
    close(fused(images()), model(images()))


@pytest.mark.parametrize(
    ("first", "second", "shape"),
    [
        (nn.Conv1d(3, 4, 1), et.BatchNorm1d(4), (2, 3, 5)),
        (nn.Conv3d(3, 4, 1), et.BatchNorm3d(4), (2, 3, 2, 2, 2)),
        (nn.ConvTranspose2d(3, 4, 1), et.BatchNorm2d(4), (2, 3, 5, 5)),
        (nn.Linear(3, 4), et.BatchNorm1d(4), (2, 3)),
        (et.BatchNorm2d(3), nn.ReLU(), (2, 3, 5, 5)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_pairs_of_layers_fuse(
    first: nn.Module, second: nn.Module, shape: tuple[int, ...]
) -> None:
    model, x = nn.Sequential(first, second).eval(), torch.randn(shape)
    randomized(first if isinstance(first, et.BatchNorm2d) else second)
    fused = torch.ao.quantization.fuse_modules(model, ["0", "1"])
    assert not any(type(layer).__module__.startswith("evenly") for layer in fused.modules())
    close(fused(x), model(x))


def test_fuse_modules_for_training_uses_torchs_layer_and_names_lost_options() -> None:
    plain = torch.ao.quantization.fuse_modules_qat(network(et.BatchNorm2d(4)), [["0", "1", "2"]])
    assert type(plain[0][1]) is nn.BatchNorm2d
    model = network(et.BatchNorm2d(4, non_finite="skip"))
    with pytest.warns(UserWarning, match=r"lose theirs in training: BatchNorm2d \(non_finite\)"):
        torch.ao.quantization.fuse_modules_qat(model, [["0", "1", "2"]])


def test_fuse_conv_bn_eval() -> None:
    model = network(randomized(et.BatchNorm2d(4))).eval()
    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(model[0], model[1])
    close(fused(images()), model[:2](images()))
    linear, layer = nn.Linear(3, 4).eval(), randomized(et.BatchNorm1d(4)).eval()
    x = torch.randn(5, 3)
    close(torch.nn.utils.fusion.fuse_linear_bn_eval(linear, layer)(x), layer(linear(x)))
