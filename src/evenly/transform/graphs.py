"""Normalization in graphs of `torch.compile`: the constants are read when a graph runs.

A graph consists of operations on tensors and numbers. So it has a number for the moments, and an
operator that returns their constants, which may have changed since the graph was traced. The
compiler fuses the operations with those constants into the loops around them.
"""

import itertools
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evenly.errors import check_choice
from evenly.transform import tensors
from evenly.transform.arrays import check_shape
from evenly.transform.compiler import assume_constant_result
from evenly.transform.device_tensors import work_dtype
from evenly.transform.methods import MethodOptions, parse_method
from evenly.transform.scaling import CONSTANT_POLICIES, MISSING_POLICIES, Scaling
from evenly.typing import FeatureAxis


@dataclass(slots=True)
class _Registered:
    """Moments in a graph, with the options of their scaling and the constants last returned."""

    moments: Any  # a weak reference
    options: dict[str, Any]
    last: tuple[Scaling, Tensor] | None = None

    def constants(self, x: Tensor) -> Tensor:
        """Return the current constants, one row for each, on the device of ``x``."""
        scaling = self.scaling()
        if self.last is None or self.last[0] is not scaling or self.last[1].device != x.device:
            work = work_dtype(x.device)
            rows = np.array(tensors.constants_of(scaling, work))
            self.last = scaling, torch.from_numpy(rows).to(x.device, work)
        return self.last[1].clone()  # a graph may write into it

    def scaling(self) -> Scaling:
        """Return the current scaling."""
        moments = self.moments()
        scaling: Scaling = moments._scaling(**self.options)
        return scaling


_registered: dict[int, _Registered] = {}
_numbers = itertools.count()


@assume_constant_result
def _register(
    moments: object,
    method: MethodOptions,
    inverse: bool,
    constant: object,
    correction: object,
    tolerance: object,
) -> int:
    """Check the options, and return a number for the moments with these options.

    The number is dropped with the moments. The compiler traces the code again for other moments.
    """
    check_choice("constant", constant, CONSTANT_POLICIES)
    options = {"constant": constant, "correction": correction, "tolerance": tolerance}
    options["method"] = parse_method(*method)
    number = next(_numbers)
    reference = weakref.ref(moments, lambda _: _registered.pop(number, None))
    _registered[number] = _Registered(reference, {"inverse": inverse, **options})
    _registered[number].scaling()  # raises an error for moments that cannot be used
    return number


@assume_constant_result
def _count_columns(number: int) -> int:
    return len(_registered[number].scaling())


@assume_constant_result
def _limits(number: int) -> tuple[float, float] | None:
    return _registered[number].scaling().clip


def scale_in_graph(
    moments: object,
    x: Tensor,
    options: dict[str, Any],
    method: MethodOptions,
    *,
    out: Tensor | None,
    dtype: object,
    missing: str,
    feature_axis: FeatureAxis,
) -> Tensor:
    """Return a tensor scaled by moments, as `scale_tensor` does, in operations of a graph.

    Parameters
    ----------
    options
        The arguments of ``moments._scaling``, in the order of those of `_register`.
    method
        The arguments of `parse_method`.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    number = _register(moments, method, *[_specialize(option) for option in options.values()])
    columns = _count_columns(number)
    axis = check_shape(tuple(x.shape), columns, feature_axis)
    constants = torch.ops.evenly.scaling_constants(x.detach(), number, columns)
    parts = [tensors.along_axis(part, x, axis) for part in constants.unbind()]
    y = tensors.apply_constants(x.to(constants.dtype), parts, options["inverse"], missing)
    limits = _limits(number)
    y = y if limits is None else y.clamp(*limits)
    y = y.to(tensors.output_dtype(x if out is None else out, dtype))
    return y if out is None else out.copy_(y)


def _specialize(option: object) -> Any:
    """Return an option as a constant of the graph: with ``dynamic=True`` numbers are not."""
    return 0 if option == 0 and option is not False else option


def _read_constants(x: Tensor, number: int, columns: int) -> Tensor:
    return _registered[number].constants(x)


def _fake_constants(x: Tensor, number: int, columns: int) -> Tensor:
    return x.new_empty((4, columns), dtype=work_dtype(x.device))


_library = torch.library.Library("evenly", "FRAGMENT")
_library.define(
    "scaling_constants(Tensor x, int number, int columns) -> Tensor",
    tags=torch.Tag.pt2_compliant_tag,
)
_library.impl("scaling_constants", _read_constants, "CompositeExplicitAutograd")
torch.library.register_fake("evenly::scaling_constants", _fake_constants, lib=_library)
