"""Compute a scaler's offsets and factors for each column, and apply them."""

from typing import Any

import numpy as np
from scipy import sparse

from evenly.dispatch import container_kind
from evenly.moments import Moments
from evenly.moments.internal import cached
from evenly.moments.internal import scaling_of as moments_scaling_of
from evenly.sklearn import array_api, sparse_columns
from evenly.sources.native_arrays import is_native, is_plain
from evenly.transform import Scaling, transform


def scaling_of(
    moments: Moments, *, with_mean: bool, with_std: bool, tolerance: float, inverse: bool
) -> Scaling:
    """Return the offset and the factor of each column.

    A constant column is divided by 1, as in scikit-learn, and a column without a value
    becomes NaN. (Where `Scaling.power` is not 0, the unit of a column is a power of two.)
    It is cached until the moments change, so its arrays must not be modified.
    """
    return cached(
        moments,
        ("scikit-learn", with_mean, with_std, tolerance, inverse),
        lambda: _compute(
            moments, with_mean=with_mean, with_std=with_std, tolerance=tolerance, inverse=inverse
        ),
    )


def _compute(
    moments: Moments, *, with_mean: bool, with_std: bool, tolerance: float, inverse: bool
) -> Scaling:
    base = moments_scaling_of(
        moments,
        inverse=inverse,
        constant="zero",
        correction=0,
        tolerance=tolerance,
        too_few="constant",
    )
    power = base.power
    unit = np.ones(len(base)) if power is None else np.exp2(power if inverse else -power)
    use_std = (base.factor != 0) & with_std
    factor = np.where(use_std, base.factor, unit)
    hi, lo = (x.copy() if with_mean else np.zeros(len(base)) for x in (base.hi, base.lo))
    empty = moments.count == 0
    hi[empty] = np.nan if with_mean else 0.0
    factor[empty] = np.nan if with_std else 1.0
    return Scaling(moments.columns, hi, lo, factor, inverse, power, base.dtypes)


def apply_scaling(x: Any, scaling: Scaling, *, in_place: bool) -> Any:
    """Scale validated data; floats keep their dtype, others become float64."""
    if type(x) is np.ndarray and is_plain(x.dtype):
        return transform(x, scaling, out=x if in_place and _is_writable(x) else None)
    if sparse.issparse(x):
        return sparse_columns.scale(x, scaling, in_place=in_place)
    if array_api.is_array_api(x) and container_kind(x) != "tensor":
        scaled = apply_scaling(array_api.to_numpy(x), scaling, in_place=False)
        return array_api.to_namespace(scaled, x)
    dtype = str(x.dtype).removeprefix("torch.")
    floating = dtype.startswith("float")
    out = x if in_place and floating and _is_writable(x) else None
    return transform(x, scaling, out=out, dtype=None if floating else "float64")


def _is_writable(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return bool(x.flags.writeable) and is_native(x)
    return not x.requires_grad
