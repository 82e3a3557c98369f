"""Load torch's own test samples for batch norm.

`python torch_samples.py FILE` writes them with torch.save. They are part of torch's wheel.
Importing them patches `ScriptFunction`, locks torch's global flags and replaces Hypothesis'
profile, so a separate process does it.
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
"""The order of positional arguments of each operator, by their names in `batch_norm`."""
LAYERS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")


def read(folder: Path) -> dict[str, Any]:
    """Let a separate process write the samples, and load them."""
    file = folder / "samples.pt"
    subprocess.run([sys.executable, __file__, str(file)], check=True)
    return dict(torch.load(file))


def operators() -> list[dict[str, Any]]:
    """Return the samples of the operators in each dtype, as arguments of `batch_norm`."""
    from torch.testing._internal.common_methods_invocations import op_db

    samples = []
    for operator in op_db:
        if operator.name in OPERATORS and not operator.variant_test_name:
            for dtype in DTYPES:
                torch.manual_seed(0)
                inputs = operator.sample_inputs("cpu", dtype, requires_grad=True)
                samples += [_operator_sample(operator.name, sample) for sample in inputs]
    return samples


def _operator_sample(name: str, sample: Any) -> dict[str, Any]:
    order = OPERATORS[name].split()
    if name == "_native_batch_norm_legit" and len(sample.args) == 5:  # without running statistics
        order = ["weight", "bias", "training", "momentum", "eps"]
    arguments = dict(zip(order, sample.args, strict=False)) | sample.kwargs
    if name != "nn.functional.batch_norm":
        arguments = {"running_mean": None, "running_var": None, "training": True} | arguments
    arguments = {"input": sample.input} | arguments
    return {"operator": name, "dtype": sample.input.dtype, "arguments": arguments}


def jit_operators() -> list[dict[str, Any]]:
    """Return the samples of torch's scripting tests, all in float32."""
    from torch.testing._internal.jit_metaprogramming_utils import get_nn_functional_tests

    names = ("running_mean", "running_var", "weight", "bias", "training")
    samples = []
    for name, shape, values, *_ in get_nn_functional_tests():
        if name == "batch_norm":
            tensors = (getattr(value, "tensor", value) for value in values)
            arguments = {"input": torch.randn(shape, requires_grad=True)}
            arguments |= dict(zip(names, tensors, strict=True))
            samples.append({"operator": "jit", "dtype": torch.float32, "arguments": arguments})
    return samples


def layers() -> list[dict[str, Any]]:
    """Return the samples of the layers in each dtype, for training and evaluation."""
    from torch.testing._internal.common_modules import module_db

    infos = {info.name: info for info in module_db if info.name[3:] in LAYERS}
    assert len(infos) == len(LAYERS)
    samples = []
    for name, info in infos.items():
        for dtype in DTYPES:
            for training in (True, False):
                torch.manual_seed(0)
                draw = partial(info.module_inputs_func, info, "cpu", dtype, True)
                for sample in draw(training=training):
                    samples.append(_layer_sample(name[3:], sample, dtype, training))
    return samples


def layer_errors() -> list[dict[str, Any]]:
    """Return the samples that torch's layers must reject."""
    from torch.testing._internal.common_modules import module_db

    samples = []
    for info in module_db:
        if info.name[3:] in LAYERS:
            errors = info.module_error_inputs_func(info, "cpu", torch.float32, False, True)
            for error in errors:
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
    samples = {
        "operators": operators() + jit_operators(),
        "layers": layers(),
        "layer errors": layer_errors(),
    }
    torch.save(samples, sys.argv[1])
