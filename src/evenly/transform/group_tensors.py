"""Torch tensors by group, by torch's own operations: gradients flow, on any device."""

from typing import Any

import numpy as np
import torch

from evenly.errors import UnsupportedTypeError
from evenly.transform.arrays import check_shape
from evenly.transform.dtypes import result_dtype
from evenly.transform.group_arrays import check_rows
from evenly.transform.group_scaling import GroupScaling, RowIndices


def scale_tensor(
    x: torch.Tensor,
    scaling: GroupScaling,
    rows: RowIndices,
    *,
    dtype: Any = None,
    missing: str = "keep",
    feature_axis: int = -1,
) -> torch.Tensor:
    """Return ``x`` scaled, as a tensor on the same device."""
    if x.is_complex() or x.layout != torch.strided or x.is_quantized:
        raise UnsupportedTypeError(
            "A tensor must be dense, of integers, booleans or floats. "
            f"Received: {x.dtype}, {x.layout}. Convert it first."
        )
    axis = check_shape(tuple(x.shape), scaling.hi.shape[1], feature_axis)
    check_rows(tuple(x.shape), axis, rows)
    work = torch.float32 if x.device.type == "mps" else torch.float64
    y = x.to(work)
    _check(y, scaling, rows, axis)
    hi, lo, factor = (_along(part[rows], y, axis) for part in _parts(scaling, work))
    if scaling.power is not None:
        scale = _along(np.exp2(scaling.power[rows].astype(np.float64)), y, axis)
        y = (y * factor + lo + hi) / scale if scaling.inverse else (y * scale - hi - lo) * factor
    else:
        y = y * factor + lo + hi if scaling.inverse else ((y - hi) - lo) * factor
    if missing == "zero":
        y = torch.where(torch.isnan(x.to(work)), torch.zeros_like(y), y)
    return y.to(getattr(torch, result_dtype(str(x.dtype).removeprefix("torch."), dtype)))


def _check(y: torch.Tensor, scaling: GroupScaling, rows: RowIndices, axis: int) -> None:
    """Check, for each column, that the values that are there can be scaled."""
    if not np.isnan(scaling.factor[:-1]).any() and scaling.constant != "error":
        return
    there = ~torch.isnan(y.detach())
    for column in range(scaling.hi.shape[1]):
        some = there if y.ndim == 1 else there.select(axis, column)
        scaling.check(column, rows, some.reshape(len(rows), -1).any(dim=1).cpu().numpy())


def _parts(scaling: GroupScaling, work: torch.dtype) -> tuple[Any, Any, Any]:
    hi, lo = scaling.hi, scaling.lo
    if work == torch.float32:
        hi = scaling.hi.astype(np.float32).astype(np.float64)
        lo = (scaling.hi - hi) + scaling.lo
    return hi, lo, scaling.factor


def _along(part: Any, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Return a table of a row an entry and a column a feature so that it goes along ``y``."""
    shape = [1] * y.ndim
    shape[1 if axis == 0 and y.ndim > 1 else 0] = part.shape[0]
    if y.ndim > 1:
        shape[axis] = part.shape[1]
        part = part.T if axis == 0 else part
    return torch.as_tensor(np.ascontiguousarray(part), dtype=y.dtype, device=y.device).reshape(
        shape
    )
