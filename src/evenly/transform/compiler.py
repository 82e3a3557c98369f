"""Functions of `torch.compiler` that do not import Dynamo, which takes seconds."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def assume_constant_result(function: FunctionT) -> FunctionT:
    """Mark a function like `torch.compiler.assume_constant_result`.

    Its result is computed while a graph is traced, and is a constant in the graph.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def disable(function: FunctionT) -> FunctionT:
    """Exclude a function from graphs like `torch.compiler.disable`.

    Dynamo is imported by the first call.
    """
    lazy = getattr(getattr(torch, "_compile", None), "_disable_dynamo", None)
    return cast(FunctionT, (lazy or torch.compiler.disable)(function))


def is_exporting() -> bool:
    """Return whether `torch.export` is tracing; False before torch 2.7, which cannot tell."""
    return bool(getattr(torch.compiler, "is_exporting", bool)())
