"""All of torch's own samples for batch normalisation give what torch gives.

Outputs, gradients, second gradients, running statistics and errors. The samples are those
by which torch tests itself (see torch_samples.py).
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
    "name", [kind + layer for layer in torch_samples.LAYERS for kind in ("", "Lazy")]
)
FORWARD_AD = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
"""Torch scripts its own rules for that when they are first used."""
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
    """The samples are a few numbers each: a thousand calls would mostly wait for threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def chosen(samples, **wanted):
    """The samples that have these entries."""
    return [s for s in samples if all(s[key] == value for key, value in wanted.items())]


def rounding(dtype):
    """Some ulp: the sums that lie behind a value have been rounded, too."""
    return {"rtol": 16 * torch.finfo(dtype).eps, "atol": 16 * torch.finfo(dtype).eps}


def same(ours, torchs):
    """Both are the same, relative to the largest value: sums of large terms may be small."""
    assert [name for name, _ in ours] == [name for name, _ in torchs]
    for (name, value), (_, wanted) in zip(ours, torchs, strict=True):
        if not isinstance(wanted, Tensor):
            assert value == wanted, name
            continue
        size = wanted.abs().max().clamp(min=1) if wanted.numel() else 1
        tolerance = rounding(wanted.dtype) if wanted.is_floating_point() else {}
        torch.testing.assert_close(
            value / size, wanted / size, equal_nan=True, **tolerance, msg=f"{name}: {{}}".format
        )


def backward(y, leaves):
    """The gradients of the leaves for one fixed gradient of the output, and theirs in turn."""
    leaves = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not y.requires_grad:
        return []
    random = torch.Generator().manual_seed(1)
    dy = torch.randn(y.shape, dtype=y.dtype, generator=random)
    wanted, every = [*leaves.values()], {"materialize_grads": True}
    once = torch.autograd.grad(y, wanted, dy, retain_graph=True, **every)
    first = torch.autograd.grad(y, wanted, dy, create_graph=True, **every)
    found = [(f"d {name}", value) for name, value in zip(leaves, once, strict=True)]
    found += [(f"d {name}, kept", value) for name, value in zip(leaves, first, strict=True)]
    wave = sum((value * torch.randn(value.shape, generator=random)).sum() for value in first)
    if wave.requires_grad:
        second = torch.autograd.grad(wave, wanted, **every)
    else:  # linear in all of them
        second = [torch.zeros_like(leaf) for leaf in wanted]
    return found + [(f"dd {name}", value) for name, value in zip(leaves, second, strict=True)]


def call(function, arguments):
    """What a call returns, leaves in its arguments and gives as first and second gradients."""
    fresh = copy_of(arguments)
    y = function(**fresh)
    tensors = {name: value for name, value in fresh.items() if isinstance(value, Tensor)}
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
def test_an_operators_sample_gives_what_torch_gives(samples, operator, dtype):
    drawn = chosen(samples["operators"], dtype=dtype, operator=operator)
    assert len(drawn) >= 9
    for sample in drawn:
        arguments = sample["arguments"]
        torchs = call(nn.functional.batch_norm, arguments)
        same(call(functional.batch_norm, arguments), torchs)


@FORWARD_AD
@OPERATORS
def test_an_operators_derivatives_are_right_both_ways(samples, operator):
    """By differences, in float64: backward, forward, and each differentiated again."""
    dtype = torch.float32 if operator == "jit" else torch.float64
    for sample in chosen(samples["operators"], dtype=dtype, operator=operator):
        wide = copy_of(sample["arguments"], torch.float64)
        leaves = [n for n, v in wide.items() if isinstance(v, Tensor) and v.requires_grad]

        def function(*values, wide=wide, leaves=leaves):
            """Running statistics move with each call; what is differentiated does not."""
            return functional.batch_norm(**copy_of(wide) | dict(zip(leaves, values, strict=True)))

        if wide["input"].numel():
            derivatives_are_right(function, [wide[name] for name in leaves])


def derivatives_are_right(function, leaves):
    torch.manual_seed(2)
    gradcheck(function, leaves, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    gradgradcheck(function, leaves, fast_mode=True, check_fwd_over_rev=True)


def build(library, name, sample):
    """The layer of a sample, its parameters and buffers drawn at random, alike for all."""
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
    """Twice through the layer: outputs, state, and the gradients of the second."""
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
def test_a_layers_sample_gives_what_torch_gives(samples, name, dtype, form):
    drawn = chosen(samples["layers"], dtype=dtype, layer=name.removeprefix("Lazy"))
    assert len(drawn) >= 14
    for sample in drawn:
        torchs = run(build(nn, name, sample), sample["input"], form)
        same(run(build(evenly.torch, name, sample), sample["input"], form), torchs)


@LAYERS
def test_a_layer_keeps_torchs_keys_and_loads_torchs_state(samples, name):
    for sample in chosen(samples["layers"], dtype=torch.float32, layer=name.removeprefix("Lazy")):
        torchs, ours = build(nn, name, sample), build(evenly.torch, name, sample)
        torchs(sample["input"])
        assert [*ours.state_dict()] == [*torchs.state_dict()]
        ours.load_state_dict(torchs.state_dict())
        same([*ours.state_dict().items()], [*torchs.state_dict().items()])


@FORWARD_AD
@LAYERS
def test_a_layers_derivatives_are_right_both_ways(samples, name):
    for sample in chosen(samples["layers"], dtype=torch.float64, layer=name.removeprefix("Lazy")):
        if sample["input"].numel() == 0:
            continue
        layer = build(evenly.torch, name, sample)
        state = copy.deepcopy(layer.state_dict())
        names = [n for n, _ in layer.named_parameters()]

        def function(input, *values, layer=layer, state=state, names=names):
            given = copy.deepcopy(state) | dict(zip(names, values, strict=True))
            return torch.func.functional_call(layer, given, (input,))

        parameters = [p.detach().clone().requires_grad_() for p in layer.parameters()]
        derivatives_are_right(function, [sample["input"], *parameters])


@LAYERS
def test_a_layer_refuses_what_torch_refuses(samples, name):
    drawn = chosen(samples["layer errors"], layer=name.removeprefix("Lazy"))
    assert drawn
    for sample in drawn:
        for library in (nn, evenly.torch):
            with pytest.raises(ValueError, match=sample["regex"]):
                build(library, name, sample)(sample["input"])


REFUSED = {
    "integers": torch.ones(4, 3, dtype=torch.int64),
    "complex numbers": torch.ones(4, 3, dtype=torch.complex64),
    "another dtype": torch.ones(4, 3, dtype=torch.float64),
    "other channels": torch.ones(4, 5),
    "no channels": torch.ones(3),
    "four dimensions": torch.ones(4, 3, 2, 2),
    "one row": torch.ones(1, 3),
    "one value a channel": torch.ones(1, 3, 1),
    "no list": [[1.0, 2.0, 3.0]],
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("input", REFUSED.values(), ids=REFUSED)
def test_a_wrong_input_gets_torchs_answer(input, training):
    """The same class and text, or the same result."""
    answers = []
    for library in (nn, evenly.torch):
        layer = library.BatchNorm1d(3).train(training)
        try:
            answers.append(layer(input).tolist())
        except Exception as error:
            answers.append((type(error), str(error)))
    (torchs, ours) = answers
    if isinstance(torchs, list):
        assert ours == torchs
    else:
        assert issubclass(ours[0], torchs[0])
        assert ours[1] == torchs[1]


@pytest.mark.parametrize("form", FORMS)
def test_in_one_process_sync_batch_norm_is_batch_norm(samples, form):
    pytest.importorskip("evenly.torch.sync")
    for sample in chosen(samples["layers"], dtype=torch.float32):
        torchs = run(build(nn, "SyncBatchNorm", sample), sample["input"], form)
        same(run(build(evenly.torch, "SyncBatchNorm", sample), sample["input"], form), torchs)
