"""Tests of `Moments.normalize` and `denormalize` in compiled functions."""

import gc
from typing import Any

import pytest
import torch
from torch import Tensor

import evenly
from evenly import DataError, Moments
from evenly.transform import graphs

# raised by torch's compiler
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

X = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1e6
METHODS = ["normalize", "denormalize"]
over_methods = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.compiler.reset()


def compiled(function: Any, backend: str = "aot_eager") -> Any:
    return torch.compile(function, fullgraph=True, backend=backend)


def method_of(moments: Moments, method: str, **options: Any) -> Any:
    return lambda x: getattr(moments, method)(x, **options)


def assert_identical(first: Tensor, second: Tensor) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"correction": 1},
    {"constant": "center"},
    {"dtype": "float64"},
]


@over_methods
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int32])
def test_bits_are_those_of_eager_calls(method: str, dtype: torch.dtype) -> None:
    moments, x = evenly.fit(X), X.to(dtype)
    functions = [method_of(moments, method, **options) for options in OPTIONS]
    results = compiled(lambda x: [function(x) for function in functions])(x)
    for function, result in zip(functions, results, strict=True):
        assert_identical(result, function(x))


@over_methods
def test_default_backend_gives_the_bits_of_eager_calls(method: str) -> None:
    function = method_of(evenly.fit(X), method)
    relu = compiled(lambda x: function(x).relu(), backend="inductor")
    assert_identical(relu(X), function(X).relu())


def test_graph_uses_the_moments_of_each_call() -> None:
    moments = evenly.fit(X)
    function = compiled(moments.normalize)
    before = function(X)
    moments.update(X[:10] + 7)
    after = function(X)
    assert not torch.equal(before, after)
    assert_identical(after, moments.normalize(X))


def test_another_object_compiles_again() -> None:
    first, second = evenly.fit(X), evenly.fit(X * 2)
    function = compiled(lambda moments, x: moments.normalize(x))
    for moments in (first, second, first):
        assert_identical(function(moments, X), moments.normalize(X))


def test_rows_are_dynamic() -> None:
    moments = evenly.fit(X)
    function = torch.compile(moments.normalize, fullgraph=True, backend="eager", dynamic=True)
    for rows in (2, 3, 7, 50):
        assert_identical(function(X[:rows]), moments.normalize(X[:rows]))
    assert len(torch._dynamo.eval_frame._debug_get_cache_entry_list(moments.normalize)) <= 2


@over_methods
def test_gradients(method: str) -> None:
    function = method_of(evenly.fit(X), method)
    gradients = []
    for f in (compiled(function), function):
        x = X.clone().requires_grad_()
        gradients.append(torch.autograd.grad(f(x).pow(2).sum(), x)[0])
    assert_identical(*gradients)


def test_missing_values_constant_columns_and_axes() -> None:
    x = torch.stack([X, X], 2)
    x[:, 1] = 7
    x[3, 2, 1] = torch.nan
    moments = evenly.fit(x, feature_axis=1)
    for options in ({"missing": "keep"}, {"missing": "zero"}):
        function = method_of(moments, "normalize", feature_axis=1, **options)
        assert_identical(compiled(function)(x), function(x))


def test_out() -> None:
    moments, out = evenly.fit(X), torch.empty(50, 4)
    compiled(lambda x, out: moments.normalize(x, out=out))(X, out)
    assert_identical(out, moments.normalize(X))


def test_extreme_spread_needs_a_power_of_two() -> None:
    x = torch.tensor([[1e308], [-1e308], [0.0]], dtype=torch.float64)
    for method in METHODS:
        function = method_of(evenly.fit(x * 1.7), method)
        assert_identical(compiled(function)(x / 1e300), function(x / 1e300))


@pytest.mark.parametrize(
    ("moments", "options", "message"),
    [
        (Moments.empty(4), {}, "value"),
        (evenly.fit(X), {"constant": "never"}, "constant must be"),
        (evenly.fit(torch.ones(3, 4)), {"constant": "error"}, "constant"),
    ],
)
def test_errors_are_those_of_eager_calls(moments: Moments, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as eager:
        moments.normalize(X, **options)
    with pytest.raises(Exception, match=message) as traced:  # torch may wrap it
        compiled(method_of(moments, "normalize", **options))(X)
    assert str(eager.value) in str(traced.value)


def test_numbers_are_dropped_with_the_moments() -> None:
    moments = evenly.fit(X)
    before = len(graphs._registered)
    compiled(method_of(moments, "normalize"))(X)
    assert len(graphs._registered) == before + 1
    torch.compiler.reset()
    del moments
    gc.collect()
    assert len(graphs._registered) <= before
