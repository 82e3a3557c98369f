"""Tests that evenly's batch norms equal torch's on all of torch's own test samples.

They compare outputs, first and second gradients, running statistics and errors. The samples come
from torch's test suite (see torch_samples.py).
"""

import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

import evenly.torch
import torch_samples
from evenly.torch import functional

OPERATORS = pytest.mark.parametrize("operator", [*torch_samples.OPERATORS, "jit"])
LAYERS = pytest.mark.parametrize(
    "name", [prefix + layer for layer in torch_samples.LAYERS for prefix in ("", "Lazy")]
)
FORWARD_AD = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
"""torch compiles its forward-mode rules with torch.jit.script on first use."""
DTYPES = pytest.mark.parametrize("dtype", torch_samples.DTYPES, ids=str)
FORMS = {
    "contiguous": Tensor.contiguous,
    "strided": lambda x: torch.stack([x, x], -1)[..., 0],
    "channels last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return torch_samples.read(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread: the samples are so small that calls would mostly wait for threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def select(samples, **entries):
    """Return the samples that have these entries."""
    return [s for s in samples if all(s[key] == value for key, value in entries.items())]


def tolerances(dtype):
    """Return a tolerance of some ulp: the sums behind a value were rounded, too."""
    return {"rtol": 16 * torch.finfo(dtype).eps, "atol": 16 * torch.finfo(dtype).eps}


def same(ours, torchs):
    """Assert equality relative to the largest value: sums of large terms may be small."""
    assert [name for name, _ in ours] == [name for name, _ in torchs]
    for (name, value), (_, expected) in zip(ours, torchs, strict=True):
        if not isinstance(expected, Tensor):
            assert value == expected, name
            continue
        size = expected.abs().max().clamp(min=1) if expected.numel() else 1
        tolerance = tolerances(expected.dtype) if expected.is_floating_point() else {}
        torch.testing.assert_close(
            value / size, expected / size, equal_nan=True, **tolerance, msg=f"{name}: {{}}".format
        )


def backward(y, leaves):
    """Return the first and second gradients of the leaves for a fixed output gradient."""
    leaves = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not y.requires_grad:
        return []
    random = torch.Generator().manual_seed(1)
    dy = torch.randn(y.shape, dtype=y.dtype, generator=random)
    inputs, options = [*leaves.values()], {"materialize_grads": True}
    plain = torch.autograd.grad(y, inputs, dy, retain_graph=True, **options)
    first = torch.autograd.grad(y, inputs, dy, create_graph=True, **options)
    gradients = [(f"d {name}", value) for name, value in zip(leaves, plain, strict=True)]
    gradients += [
        (f"d {name}, with graph", value) for name, value in zip(leaves, first, strict=True)
    ]
    total = sum((value * torch.randn(value.shape, generator=random)).sum() for value in first)
    if total.requires_grad:
        second = torch.autograd.grad(total, inputs, **options)
    else:  # linear in all inputs
        second = [torch.zeros_like(leaf) for leaf in inputs]
    return gradients + [(f"dd {name}", value) for name, value in zip(leaves, second, strict=True)]


def call(function, arguments):
    """Return the output, the arguments after the call, and first and second gradients."""
    copies = copy_of(arguments)
    y = function(**copies)
    tensors = {name: value for name, value in copies.items() if isinstance(value, Tensor)}
    return [("output", y), *tensors.items(), *backward(y, tensors)]


def copy_of(arguments, dtype=None):
    return {
        name: value.detach().to(dtype, copy=True).requires_grad_(value.requires_grad)
        if isinstance(value, Tensor)
        else value
        for name, value in arguments.items()
    }


@pytest.mark.parametrize(
    ("operator", "dtype"),
    [*product(torch_samples.OPERATORS, torch_samples.DTYPES), ("jit", torch.float32)],
    ids=str,
)
def test_functional_equals_torch_on_samples(samples, operator, dtype):
    selected = select(samples["operators"], dtype=dtype, operator=operator)
    assert len(selected) >= 9
    for sample in selected:
        arguments = sample["arguments"]
        torchs = call(nn.functional.batch_norm, arguments)
        same(call(functional.batch_norm, arguments), torchs)


@FORWARD_AD
@OPERATORS
def test_functional_passes_gradcheck_on_samples(samples, operator):
    """Finite differences in float64, in reverse and forward mode, for first and second order."""
    dtype = torch.float32 if operator == "jit" else torch.float64
    for sample in select(samples["operators"], dtype=dtype, operator=operator):
        wide = copy_of(sample["arguments"], torch.float64)
        leaves = [n for n, v in wide.items() if isinstance(v, Tensor) and v.requires_grad]

        def function(*values, wide=wide, leaves=leaves):
            """Copy the arguments, because each call updates the running statistics."""
            return functional.batch_norm(**copy_of(wide) | dict(zip(leaves, values, strict=True)))

        if wide["input"].numel():
            check_derivatives(function, [wide[name] for name in leaves])


def check_derivatives(function, leaves):
    torch.manual_seed(2)
    gradcheck(function, leaves, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    gradgradcheck(function, leaves, fast_mode=True, check_fwd_over_rev=True)


def build(library, name, sample):
    """Create the layer of a sample, with the same random parameters for each library."""
    random = torch.Generator().manual_seed(3)
    arguments = sample["arguments"][1:] if name.startswith("Lazy") else sample["arguments"]
    layer = getattr(library, name)(*arguments, **sample["options"])
    if name.startswith("Lazy"):
        layer.initialize_parameters(sample["input"])
    for value in [*layer.parameters(), layer.running_mean, layer.running_var]:
        if value is not None:
            value.data.uniform_(0.5, 2.0, generator=random)
    return layer.train(sample["training"])


def run(layer, input, form="contiguous"):
    """Call the layer twice; return the second output, the state and the gradients."""
    input = FORMS[form](input.detach()).requires_grad_()
    layer(input)
    y = layer(input)
    leaves = {"input": input} | dict(layer.named_parameters())
    return [("output", y), *layer.state_dict().items(), *backward(y, leaves)]


@pytest.mark.parametrize(
    ("name", "form"),
    [(layer, form) for layer in torch_samples.LAYERS for form in FORMS]
    + [("Lazy" + layer, "contiguous") for layer in torch_samples.LAYERS],
)
@DTYPES
def test_layer_equals_torch_on_samples(samples, name, dtype, form):
    selected = select(samples["layers"], dtype=dtype, layer=name.removeprefix("Lazy"))
    assert len(selected) >= 14
    for sample in selected:
        torchs = run(build(nn, name, sample), sample["input"], form)
        same(run(build(evenly.torch, name, sample), sample["input"], form), torchs)


@LAYERS
def test_layer_loads_torchs_state_dict_on_samples(samples, name):
    for sample in select(samples["layers"], dtype=torch.float32, layer=name.removeprefix("Lazy")):
        torchs, ours = build(nn, name, sample), build(evenly.torch, name, sample)
        torchs(sample["input"])
        assert [*ours.state_dict()] == [*torchs.state_dict()]
        ours.load_state_dict(torchs.state_dict())
        same([*ours.state_dict().items()], [*torchs.state_dict().items()])


@FORWARD_AD
@LAYERS
def test_layer_passes_gradcheck_on_samples(samples, name):
    for sample in select(samples["layers"], dtype=torch.float64, layer=name.removeprefix("Lazy")):
        if sample["input"].numel() == 0:
            continue
        layer = build(evenly.torch, name, sample)
        state = copy.deepcopy(layer.state_dict())
        names = [n for n, _ in layer.named_parameters()]

        def function(input, *values, layer=layer, state=state, names=names):
            tensors = copy.deepcopy(state) | dict(zip(names, values, strict=True))
            return torch.func.functional_call(layer, tensors, (input,))

        parameters = [p.detach().clone().requires_grad_() for p in layer.parameters()]
        check_derivatives(function, [sample["input"], *parameters])


@LAYERS
def test_layer_raises_torchs_errors_on_samples(samples, name):
    selected = select(samples["layer errors"], layer=name.removeprefix("Lazy"))
    assert selected
    for sample in selected:
        for library in (nn, evenly.torch):
            with pytest.raises(ValueError, match=sample["regex"]):
                build(library, name, sample)(sample["input"])


INVALID_INPUTS = {
    "integers": torch.ones(4, 3, dtype=torch.int64),
    "complex numbers": torch.ones(4, 3, dtype=torch.complex64),
    "another dtype": torch.ones(4, 3, dtype=torch.float64),
    "other channels": torch.ones(4, 5),
    "no channels": torch.ones(3),
    "four dimensions": torch.ones(4, 3, 2, 2),
    "one row": torch.ones(1, 3),
    "one value per channel": torch.ones(1, 3, 1),
    "list": [[1.0, 2.0, 3.0]],
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("input", INVALID_INPUTS.values(), ids=INVALID_INPUTS)
def test_invalid_input_gives_torchs_error_or_result(input, training):
    """The error has the same class, and begins with the same text."""
    outcomes = []
    for library in (nn, evenly.torch):
        layer = library.BatchNorm1d(3).train(training)
        try:
            outcomes.append(layer(input).tolist())
        except Exception as error:
            outcomes.append((type(error), str(error)))
    torchs, ours = outcomes
    if isinstance(torchs, list):
        assert ours == torchs
    else:
        assert issubclass(ours[0], torchs[0])
        assert ours[1].startswith(torchs[1])


@pytest.mark.parametrize("form", FORMS)
def test_sync_batch_norm_equals_torch_in_one_process(samples, form):
    pytest.importorskip("evenly.torch.sync")
    for sample in select(samples["layers"], dtype=torch.float32):
        torchs = run(build(nn, "SyncBatchNorm", sample), sample["input"], form)
        same(run(build(evenly.torch, "SyncBatchNorm", sample), sample["input"], form), torchs)
