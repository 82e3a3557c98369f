"""Torch's own samples for batch norm; `python torch_samples.py FILE` writes them with torch.save.

They ship in torch's wheel, for its own tests. Importing those patches `ScriptFunction`, locks
torch's global flags and replaces Hypothesis' profile; so a process of its own does it.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
OPERATORS = {
    "nn.functional.batch_norm": "running_mean running_var weight bias training momentum eps",
    "native_batch_norm": "weight bias running_mean running_var training momentum eps",
    "_native_batch_norm_legit": "weight bias running_mean running_var training momentum eps",
    "_batch_norm_with_update": "weight bias running_mean running_var momentum eps",
}
"""The order in which each operator takes what `functional.batch_norm` takes by name."""
LAYERS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")


def read(folder: Path) -> dict[str, Any]:
    """Have a process write the samples, and load them."""
    file = folder / "samples.pt"
    subprocess.run([sys.executable, __file__, str(file)], check=True)
    return dict(torch.load(file))


def operators() -> list[dict[str, Any]]:
    """Each sample of each operator in each dtype, as arguments of `functional.batch_norm`."""
    from torch.testing._internal.common_methods_invocations import op_db

    samples = []
    for operator in op_db:
        if operator.name in OPERATORS and not operator.variant_test_name:
            for dtype in DTYPES:
                torch.manual_seed(0)
                drawn = operator.sample_inputs("cpu", dtype, requires_grad=True)
                samples += [_operator_sample(operator.name, sample) for sample in drawn]
    return samples


def _operator_sample(name: str, sample: Any) -> dict[str, Any]:
    order = OPERATORS[name].split()
    if name == "_native_batch_norm_legit" and len(sample.args) == 5:  # without running statistics
        order = ["weight", "bias", "training", "momentum", "eps"]
    given = dict(zip(order, sample.args, strict=False)) | sample.kwargs
    if name != "nn.functional.batch_norm":
        given = {"running_mean": None, "running_var": None, "training": True} | given
    given = {"input": sample.input} | given
    return {"operator": name, "dtype": sample.input.dtype, "arguments": given}


def jit_operators() -> list[dict[str, Any]]:
    """The samples of torch's scripting tests, all in float32."""
    from torch.testing._internal.jit_metaprogramming_utils import get_nn_functional_tests

    names = ("running_mean", "running_var", "weight", "bias", "training")
    samples = []
    for name, shape, arguments, *_ in get_nn_functional_tests():
        if name == "batch_norm":
            given = (getattr(value, "tensor", value) for value in arguments)
            drawn = {"input": torch.randn(shape, requires_grad=True)}
            drawn |= dict(zip(names, given, strict=True))
            samples.append({"operator": "jit", "dtype": torch.float32, "arguments": drawn})
    return samples


def layers() -> list[dict[str, Any]]:
    """Each sample of each layer in each dtype, for training and for evaluation."""
    from torch.testing._internal.common_modules import module_db

    found = {info.name: info for info in module_db if info.name[3:] in LAYERS}
    assert len(found) == len(LAYERS)
    samples = []
    for name, info in found.items():
        for dtype in DTYPES:
            for training in (True, False):
                torch.manual_seed(0)
                draw = partial(info.module_inputs_func, info, "cpu", dtype, True)
                for sample in draw(training=training):
                    samples.append(_layer_sample(name[3:], sample, dtype, training))
    return samples


def layer_errors() -> list[dict[str, Any]]:
    """What torch's layers must refuse."""
    from torch.testing._internal.common_modules import module_db

    samples = []
    for info in module_db:
        if info.name[3:] in LAYERS:
            refused = info.module_error_inputs_func(info, "cpu", torch.float32, False, True)
            for error in refused:
                sample = _layer_sample(info.name[3:], error.module_error_input, torch.float32, True)
                sample |= {"error": error.error_type.__name__, "regex": error.error_regex}
                samples.append(sample)
    return samples


def _layer_sample(name: str, sample: Any, dtype: torch.dtype, training: bool) -> dict[str, Any]:
    return {
        "layer": name,
        "dtype": dtype,
        "description": sample.desc,
        "arguments": sample.constructor_input.args,
        "options": sample.constructor_input.kwargs | {"dtype": dtype},
        "input": sample.forward_input.args[0],
        "training": training,
    }


if __name__ == "__main__":
    written = {
        "operators": operators() + jit_operators(),
        "layers": layers(),
        "layer errors": layer_errors(),
    }
    torch.save(written, sys.argv[1])
