"""Batch normalization for `torch.compile`, as operators that consist of other operators.

The compiler records a call of such an operator without tracing its Python code, and so without
guards for what the code reads: these took a tenth of the time of a small batch. A later stage of
the compiler runs the code, and records the operators that it calls.
"""

import hashlib
import inspect
from functools import cache

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack

import evenly
from evenly.torch import functional, fused, fusible, operators, reference, running_stats
from evenly.transform.compiler import assume_constant_result, is_exporting

_library = torch.library.Library("evenly", "FRAGMENT")
_library.define(
    "normalize_fixed(Tensor x, Tensor mean, Tensor variance, Tensor? weight, Tensor? bias, "
    "float eps, Tensor? mask, bool exact, str key) -> Tensor",
    tags=torch.Tag.pt2_compliant_tag,
)
_library.define(
    "normalize_and_update(Tensor x, Tensor(a!)? mean, Tensor(b!)? variance, "
    "Tensor(c!)? num_batches, Tensor(d!)? skipped, Tensor? weight, Tensor? bias, float eps, "
    "Tensor? mask, bool exact, float? momentum, str key) -> Tensor",
    tags=torch.Tag.pt2_compliant_tag,
)


@assume_constant_result
def graph_key() -> str:
    """Return the last argument of the operators, or "" if the graph must not call them.

    An exported graph must not depend on this package, and transforms of `torch.func` need single
    operators. The compiler caches graphs in files; the key changes with what the operators do.
    """
    if is_exporting() or peek_interpreter_stack() is not None:
        return ""
    return f"{_digest()}-{operators.MIN_VALUES}"


@cache
def _digest() -> str:
    """Return a digest of the code that the operators run."""
    modules = functional, fused, fusible, operators, reference, running_stats
    try:
        text = "".join(inspect.getsource(module) for module in modules)
    except OSError:  # installed without source files
        return evenly.__version__
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _normalize_fixed(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None,
    exact: bool,
    key: str,
) -> Tensor:
    """Normalize with given statistics."""
    return functional.normalize_fixed(x, mean, variance, weight, bias, eps, mask, exact=exact)


def _normalize_and_update(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    num_batches: Tensor | None,
    skipped: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    mask: Tensor | None,
    exact: bool,
    momentum: float | None,
    key: str,
) -> Tensor:
    """Normalize a batch with its own statistics, and update the running ones, if any."""
    return functional.normalize_and_update(
        x, mean, variance, num_batches, skipped, weight, bias, eps, mask, exact=exact,
        momentum=momentum,
    )  # fmt: skip


_library.impl("normalize_fixed", _normalize_fixed, "CompositeImplicitAutograd")
_library.impl("normalize_and_update", _normalize_and_update, "CompositeImplicitAutograd")
normalize_fixed = torch.ops.evenly.normalize_fixed.default
normalize_and_update = torch.ops.evenly.normalize_and_update.default
