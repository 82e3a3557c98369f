"""Tests of `Normalize` in compiled, exported and ONNX graphs and under transforms."""

import warnings

import pytest
import torch
from torch import nn

import evenly
from evenly import DataError
from evenly.torch import Normalize

# raised by torch's compiler and forward-mode differentiation
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

X = torch.randn(64, 5, generator=torch.Generator().manual_seed(2)) * 3 + 1e6


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()


def compiled(module, **options):
    return torch.compile(module, fullgraph=True, backend="aot_eager", **options)


def test_compiled_layer_learns_every_row():
    layer = Normalize(5)
    function = compiled(layer, dynamic=True)
    outputs = [function(batch) for batch in X.split([10, 1, 20, 33])]
    assert layer.moments == evenly.fit(X)
    torch.testing.assert_close(outputs[-1], layer.eval()(X[31:]))


def test_compile_with_default_backend():
    layer = Normalize(5)
    function = torch.compile(layer, fullgraph=True)
    function(X)
    layer.freeze()
    torch.testing.assert_close(function(X), layer(X), rtol=0, atol=0)
    assert layer.moments == evenly.fit(X)


def test_compiled_model_trains_with_learning_layer():
    model = nn.Sequential(Normalize(5), nn.Linear(5, 2))
    function = compiled(model)
    function(X).square().mean().backward()
    assert model[0].moments == evenly.fit(X)
    assert model[1].weight.grad.isfinite().all()


def test_compiled_layers_have_separate_statistics():
    layers = [Normalize(5) for _ in range(3)]
    for rows, layer in enumerate(layers, 1):
        compiled(layer)(X[:rows])
    assert [layer.moments.rows for layer in layers] == [1, 2, 3]


def test_freeze_stops_learning_of_compiled_layer():
    layer = Normalize(5)
    function = compiled(layer)
    function(X)
    layer.freeze()
    torch.testing.assert_close(function(X), layer(X), rtol=0, atol=0)
    assert layer.moments.rows == 64


@pytest.mark.parametrize("strict", [False, True])
def test_export_supports_any_number_of_rows(strict):
    layer = Normalize.fit(X, missing="zero")
    rows = ({0: torch.export.Dim("rows")},)
    program = torch.export.export(layer, (X,), dynamic_shapes=rows, strict=strict)
    assert torch.equal(program.module()(X[:7]), layer(X[:7]))
    assert torch.equal(program.module()(torch.full((2, 5), torch.nan)), torch.zeros(2, 5))


def test_export_while_learning_raises():
    with pytest.raises(DataError, match=r"cannot learn in an exported graph"):
        torch.export.export(Normalize(5), (X,))


@pytest.mark.parametrize(
    "x",
    [X, X.double(), (X - 1e6).half(), (X - 1e6).abs().to(torch.uint8), X.reshape(2, 5, 4, 8)],
    ids=["float32", "float64", "float16", "uint8", "images"],
)
def test_onnx_is_bit_identical(x, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = Normalize.fit(x, missing="zero").eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by the exporter
        torch.onnx.export(layer, (x,), tmp_path / "layer.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(
        tmp_path / "layer.onnx", providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert torch.equal(torch.from_numpy(y), layer(x))


def test_gradients_in_every_mode_of_differentiation():
    layer = Normalize.fit(X, feature_axis=-1)
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        matrix = jacobian(layer)(X[0])
        torch.testing.assert_close(matrix, torch.diag(layer.scale).float())
    x = X[:3].double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))


def test_vmap_over_rows():
    layer = Normalize.fit(X, feature_axis=-1)
    assert torch.equal(torch.vmap(layer)(X), layer(X))
    with pytest.raises(DataError, match=r"cannot learn under vmap"):
        torch.vmap(layer.unfreeze())(X)


def test_forward_mode_gradient():
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(X, torch.ones_like(X))
        tangent = torch.autograd.forward_ad.unpack_dual(Normalize.fit(X)(dual)).tangent
    torch.testing.assert_close(tangent, Normalize.fit(X).scale.float().expand(64, 5))


def test_make_fx_traces_operations():
    graph = torch.fx.experimental.proxy_tensor.make_fx(Normalize.fit(X))(X)
    torch.testing.assert_close(graph(X + 1), Normalize.fit(X)(X + 1), rtol=0, atol=0)


def test_functional_call_uses_given_buffers():
    layer = Normalize.fit(X)
    other = {name: value.clone() for name, value in Normalize.fit(X + 7).named_buffers()}
    y = torch.func.functional_call(layer, other, (X + 7,))
    assert torch.equal(y, Normalize.fit(X + 7)(X + 7))
    plain = {"hi": torch.zeros(5), "lo": torch.zeros(5), "scale": torch.full((5,), 2.0)}
    assert torch.equal(torch.func.functional_call(layer, plain, (X,)), 2 * X)
    other["scale"].requires_grad_()
    torch.func.functional_call(layer, other, (X,)).sum().backward()
    assert other["scale"].grad.isfinite().all()
    assert torch.equal(layer(X), Normalize.fit(X)(X))


def test_autocast_does_not_change_normalize():
    model = nn.Sequential(Normalize(5), nn.Linear(5, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model[0](X), Normalize.fit(X)(X))
        assert model(X).dtype == torch.bfloat16
