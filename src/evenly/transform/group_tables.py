"""Compute the tables of a `GroupScaling` from the sums of all groups."""

from collections.abc import Mapping, Sequence

import numpy as np

from evenly import _core, exact_stats
from evenly.errors import check_choice
from evenly.group_keys import By, Key
from evenly.transform.exact_scaling import fast_scaling, scaling
from evenly.transform.group_scaling import GroupScaling, RowIndices
from evenly.transform.methods import Method
from evenly.transform.scaling import (
    CONSTANT_POLICIES,
    Scaling,
    ScalingKeywords,
)
from evenly.typing import Real

_CHUNK_COLUMNS = 4096
"""Columns computed at a time; a chunk with a column that the core does not support is halved."""
_MIN_CHUNK_COLUMNS = 8


def group_scaling(
    groups: Scaling,
    total: Scaling,
    *,
    by: By,
    indices: Mapping[Key, int],
    columns: tuple[str, ...] | None,
    dtypes: tuple[str, ...],
    constant: str,
    correction: Real,
    method: Method,
) -> GroupScaling:
    """Return the tables of groups.

    Parameters
    ----------
    groups
        The numbers of the columns of all groups, one group after the other, with NaN for
        undefined ones.
    total
        Those of all groups together.
    by, indices, columns, dtypes, constant, correction, method
        Attributes of the result.
    """
    shape = len(indices) + 1, len(total)
    nan_row = np.full((1, len(total)), np.nan)
    hi, lo, factor = (
        np.vstack(
            [
                np.concatenate([getattr(part, name) for part in (groups, total)]).reshape(shape),
                nan_row,
            ]
        )
        for name in ("hi", "lo", "factor")
    )
    power = _concat_powers([groups, total])
    if power is not None:
        power = np.concatenate([power, np.zeros(len(total), np.int64)]).reshape(hi.shape)
    return GroupScaling(
        by=by,
        indices=indices,
        columns=columns,
        dtypes=dtypes,
        inverse=total.inverse,
        constant=constant,
        correction=correction,
        method=method,
        hi=hi,
        lo=lo,
        factor=factor,
        power=power,
    )


def standard_scaling(
    state: _core.State,
    *,
    inverse: bool,
    constant: str,
    correction: Real,
    tolerance: Real,
) -> Scaling:
    """Return the numbers of many columns, as `scaling` does, with NaN for undefined ones.

    Raises
    ------
    DataError
        When an option is invalid.
    """
    check_choice("constant", constant, CONSTANT_POLICIES)
    exact_stats.as_correction(correction)
    exact_stats.as_tolerance(tolerance)
    options: ScalingKeywords = {
        "inverse": inverse,
        "constant": constant,
        "correction": correction,
        "tolerance": tolerance,
        "too_few": "nan",
        "dtypes": (),
    }
    starts = range(0, state.columns, _CHUNK_COLUMNS)
    return _concat([_scale_chunk(state, start, options) for start in starts])


def _scale_chunk(state: _core.State, start: int, options: ScalingKeywords) -> Scaling:
    stop = min(start + _CHUNK_COLUMNS, state.columns)
    part = state if stop - start == state.columns else state.take(list(range(start, stop)))
    return _fast_or_exact(part, options)


def _fast_or_exact(state: _core.State, options: ScalingKeywords) -> Scaling:
    """Return a scaling, from the core where it supports the columns."""
    result = fast_scaling(state, None, **options)
    if result is None and state.columns > _MIN_CHUNK_COLUMNS:
        half = state.columns // 2
        halves = range(half), range(half, state.columns)
        return _concat([_fast_or_exact(state.take(list(part)), options) for part in halves])
    sums = zip(state.counts(), state.sums(), state.squares(), strict=True)
    return result or scaling(None, sums, **options)


def _concat(parts: Sequence[Scaling]) -> Scaling:
    hi, lo, factor = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("hi", "lo", "factor")
    )
    return Scaling(None, hi, lo, factor, parts[0].inverse, _concat_powers(parts))


def _concat_powers(parts: Sequence[Scaling]) -> RowIndices | None:
    if all(part.power is None for part in parts):
        return None
    return np.concatenate(
        [np.zeros(len(p), np.int64) if p.power is None else p.power for p in parts]
    )
