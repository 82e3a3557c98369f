"""Scale torch tensors: by the kernel for plain CPU tensors, by torch operations otherwise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from evenly.errors import DataError, UnsupportedTypeError, check_choice
from evenly.transform.arrays import check_shape
from evenly.transform.device_tensors import is_for_device, scale_on_device, work_dtype
from evenly.transform.dtypes import result_dtype
from evenly.transform.kernel import CoreView, call_kernel, overlaps
from evenly.transform.scaling import MISSING_POLICIES, Floats, Scaling
from evenly.typing import FeatureAxis

if TYPE_CHECKING:  # only needed for groups
    from evenly.transform.group_scaling import GroupScaling, RowIndices


def scale_tensor(
    x: torch.Tensor,
    scaling: Scaling,
    *,
    out: torch.Tensor | None = None,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> torch.Tensor:
    """Return ``x`` scaled, as a tensor on the same device, or written into ``out``.

    A tensor that is not on the CPU is scaled as by `evenly.torch.Normalize`: see
    `evenly.transform.device_tensors.scale_on_device` for its roundings. A tensor that requires
    grad is scaled by torch operations with the same formula; gradients flow through. ``out=``
    cannot carry a gradient.
    """
    check_choice("missing", missing, MISSING_POLICIES)
    _check_dense(x)
    axis = check_shape(tuple(x.shape), len(scaling), feature_axis)
    tracked = x.requires_grad and torch.is_grad_enabled()
    if out is not None:
        _check_out(out, x, dtype, tracked)
    wanted = output_dtype(x if out is None else out, dtype)
    for_device = is_for_device(x) and not tracked and scaling.power is None
    if for_device or tracked or x.device.type != "cpu" or scaling.power is not None:
        scale = _by_operators if for_device else by_operations
        result = scale(x, scaling, axis, missing, wanted)
        return result if out is None else out.copy_(result)
    if out is None:
        out = torch.empty_like(x, dtype=wanted, requires_grad=False)
    source, target = tensor_buffer(x), tensor_buffer(out)
    if overlaps(source[0], target[0]):
        source = source[0].copy(), source[1]
    call_kernel(source, target, scaling, axis, missing)
    return out if scaling.clip is None else out.clamp_(*scaling.clip)


def scale_tensor_by_group(
    x: torch.Tensor,
    scaling: "GroupScaling",
    rows: "RowIndices",
    *,
    dtype: object = None,
    missing: str = "keep",
    feature_axis: FeatureAxis = None,
) -> torch.Tensor:
    """Return ``x`` scaled by group, as a tensor on the same device; gradients flow through.

    Parameters
    ----------
    rows
        For each entry of the first axis that is not the features', its row in the tables.
    """
    from evenly.transform.grouped_arrays import check_rows

    check_choice("missing", missing, MISSING_POLICIES)
    _check_dense(x)
    axis = check_shape(tuple(x.shape), scaling.num_features, feature_axis)
    check_rows(tuple(x.shape), axis, rows)
    work = work_dtype(x.device)
    y = x.to(work)
    _check_defined(y, scaling, rows, axis)
    hi, lo = _split(scaling.hi, scaling.lo, work)
    power = np.ones_like(hi) if scaling.power is None else np.exp2(scaling.power)
    tables = hi, lo, scaling.factor, power
    y = apply_constants(
        y, [_broadcast_rows(p[rows], y, axis) for p in tables], scaling.inverse, "keep"
    )
    if missing == "zero":  # rows of unknown groups stay NaN
        y = torch.where(torch.isnan(x.to(work)), torch.zeros_like(y), y)
    y = y if scaling.clip is None else y.clamp(*scaling.clip)
    return y.to(output_dtype(x, dtype))


def output_dtype(x: torch.Tensor, dtype: object) -> torch.dtype:
    """Return the dtype of the result for a tensor: integers get the default dtype of torch."""
    if dtype is None and not x.is_floating_point():
        return torch.get_default_dtype()
    name = result_dtype(str(x.dtype).removeprefix("torch."), dtype)
    return getattr(torch, name)


def _check_dense(x: torch.Tensor) -> None:
    if x.is_complex() or x.layout != torch.strided or x.is_quantized:
        raise UnsupportedTypeError(
            "A tensor must be dense, of integers, booleans or floats. "
            f"Received: {x.dtype}, {x.layout}. Convert it first."
        )


def _check_defined(y: torch.Tensor, scaling: "GroupScaling", rows: "RowIndices", axis: int) -> None:
    """Check, for each column, that the present values can be scaled."""
    if not np.isnan(scaling.factor[:-1]).any() and scaling.constant != "error":
        return
    present = ~torch.isnan(y.detach())
    for column in range(scaling.num_features):
        values = present if y.ndim == 1 else present.select(axis, column)
        any_present = values.reshape(len(rows), -1).any(dim=1).cpu().numpy()
        scaling.check_defined(column, rows, any_present)


def _check_out(out: object, x: torch.Tensor, dtype: object, tracked: bool) -> None:
    if not isinstance(out, torch.Tensor) or out.device != x.device:
        raise UnsupportedTypeError(
            f"out must be a tensor on {x.device}, like x. Received: {type(out).__name__}"
            f"{f' on {out.device}' if isinstance(out, torch.Tensor) else ''}."
        )
    if tracked or out.requires_grad:
        raise UnsupportedTypeError(
            "out= cannot carry a gradient. Received: a tensor that requires grad. "
            "Omit out=, or pass x.detach()."
        )
    if out.shape != x.shape:
        raise DataError(
            f"out must have the shape of x, {tuple(x.shape)}. Received: {tuple(out.shape)}."
        )
    wanted = output_dtype(out, dtype)
    if out.dtype != wanted:
        requested = "" if dtype is None else f", {wanted} as requested"
        raise UnsupportedTypeError(
            f"out must have a floating dtype{requested}. Received: {out.dtype}."
        )


def tensor_buffer(x: torch.Tensor) -> CoreView:
    """Return a NumPy view of a CPU tensor and a dtype name for the core."""
    x = x.detach()
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(np.uint16), "bfloat16"
    return x.resolve_neg().numpy(), None


def by_operations(
    x: torch.Tensor, scaling: Scaling, axis: int, missing: str, dtype: torch.dtype
) -> torch.Tensor:
    """Return ``x`` scaled by torch operations, in the widest dtype of the device."""
    y = x.to(work_dtype(x.device))
    parts = [_broadcast(part, y, axis) for part in constants_of(scaling, y.dtype)]
    y = apply_constants(y, parts, scaling.inverse, missing)
    return (y if scaling.clip is None else y.clamp(*scaling.clip)).to(dtype)


def _by_operators(
    x: torch.Tensor, scaling: Scaling, axis: int, missing: str, dtype: torch.dtype
) -> torch.Tensor:
    """Return ``x`` scaled by the operators of `Normalize` on accelerators."""
    work = work_dtype(x.device)
    parts = (*_split(scaling.hi, scaling.lo, work), scaling.factor)
    hi, lo, factor = (
        along_axis(torch.as_tensor(part, dtype=work, device=x.device), x, axis) for part in parts
    )
    y = scale_on_device(x, (hi, lo, factor), dtype, scaling.inverse, missing)
    return y if scaling.clip is None else y.clamp_(*scaling.clip)


def constants_of(scaling: Scaling, work: torch.dtype) -> tuple[Floats, Floats, Floats, Floats]:
    """Return hi, lo, factor and the power of two by which values are multiplied first."""
    power = np.ones(len(scaling)) if scaling.power is None else np.exp2(scaling.power)
    return *_split(scaling.hi, scaling.lo, work), scaling.factor, power


def apply_constants(
    y: torch.Tensor, constants: Sequence[torch.Tensor], inverse: bool, missing: str
) -> torch.Tensor:
    """Return values scaled by constants that broadcast along them."""
    hi, lo, factor, power = constants
    y = (y * factor + lo + hi) / power if inverse else ((y * power - hi) - lo) * factor
    return torch.where(torch.isnan(y), torch.zeros_like(y), y) if missing == "zero" else y


def _split(hi: Floats, lo: Floats, work: torch.dtype) -> tuple[Floats, Floats]:
    """Return hi and lo, split again for float32: their sum is the mean to 48 bits."""
    if work == torch.float64:
        return hi, lo
    short = hi.astype(np.float32).astype(np.float64)
    return short, (hi - short) + lo


def _broadcast(part: object, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Return one number per feature in a shape that broadcasts along ``y``."""
    return along_axis(torch.as_tensor(part, dtype=y.dtype, device=y.device), y, axis)


def along_axis(part: torch.Tensor, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Reshape one number per feature so that it broadcasts along ``y``."""
    shape = [1] * y.ndim
    if y.ndim > 1:
        shape[axis] = -1
    return part.reshape(shape)


def _broadcast_rows(part: Floats, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Return a table, with one row per entry, in the shape of ``y``."""
    shape = [1] * y.ndim
    shape[1 if axis == 0 and y.ndim > 1 else 0] = part.shape[0]
    if y.ndim > 1:
        shape[axis] = part.shape[1]
        part = part.T if axis == 0 else part
    return torch.as_tensor(np.ascontiguousarray(part), dtype=y.dtype, device=y.device).reshape(
        shape
    )
