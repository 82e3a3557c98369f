"""Replace columns of pandas frames: those of one NumPy dtype pass through the core together.

The result is built from arrays of several columns: replacing one column takes pandas longer than
scaling it.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly import _core
from evenly.sources.column_views import view_columns
from evenly.sources.pandas_blocks import number_blocks, slice_columns
from evenly.sources.pandas_frames import read_series
from evenly.transform.columns import TableScaler

if TYPE_CHECKING:
    import pandas


Replaced = tuple[list[int], Any]
"""Positions of columns, and their values: a two-dimensional array, or a list of arrays."""

_MAX_RUNS = 64
"""Runs of unchanged columns that are sliced, which is not a copy but takes 20 µs each."""


def replace_in_pandas(
    frame: "pandas.DataFrame", table: object, positions: Sequence[int], scaler: TableScaler
) -> "pandas.DataFrame":
    """Return a pandas frame with columns scaled; a column that can have NA still has it."""
    replaced: list[Replaced] = []
    remaining = dict(enumerate(positions))
    for indices, values in number_blocks(frame, positions):
        own = [remaining.pop(index) for index in indices]
        replaced.append((own, scaler.scale_matrix(values, indices)))
    if remaining:
        replaced.append((list(remaining.values()), _scale_others(frame, remaining, scaler)))
    if type(frame) is not sys.modules["pandas"].DataFrame:
        return _set_columns(frame, replaced)
    result = _build(frame, replaced)
    result.attrs = frame.attrs
    if not frame.flags.allows_duplicate_labels:
        result.flags.allows_duplicate_labels = False
    return result


def _scale_others(
    frame: "pandas.DataFrame", positions: dict[int, int], scaler: TableScaler
) -> list[Any]:
    """Return columns of other dtypes scaled, given by their index and position."""
    series = [frame.iloc[:, position] for position in positions.values()]
    columns = view_columns(list(map(read_series, series)), len(frame))
    scaled = scaler.scale(columns, indices=list(positions))
    return [_pandas_array(scaled, index, x.dtype) for index, x in enumerate(series)]


def _pandas_array(columns: _core.FloatColumns, index: int, given: object) -> Any:
    """Return an array for pandas, which is nullable or of Arrow if the given dtype is."""
    pandas = sys.modules["pandas"]
    values, missing = columns.values(index), columns.missing(index)
    if hasattr(given, "pyarrow_dtype"):
        array = sys.modules["pyarrow"].array(values, mask=missing)
        return pandas.array(array, dtype=pandas.ArrowDtype(array.type))
    if hasattr(given, "numpy_dtype"):
        mask = np.zeros(len(values), np.bool_) if missing is None else missing
        return pandas.arrays.FloatingArray(values, mask)
    return values


def _set_columns(frame: "pandas.DataFrame", replaced: Sequence[Replaced]) -> "pandas.DataFrame":
    """Return a frame of a subclass of pandas' with columns replaced one by one."""
    result = frame.copy(deep=False)
    for positions, values in replaced:
        columns = values if isinstance(values, list) else values.T
        for position, column in zip(positions, columns, strict=True):
            result.isetitem(position, column)
    return result


def _build(frame: "pandas.DataFrame", replaced: Sequence[Replaced]) -> "pandas.DataFrame":
    """Return a frame with columns replaced, in blocks of several columns; others are unchanged."""
    pandas = sys.modules["pandas"]
    index, width = frame.index, frame.shape[1]
    first, values = replaced[0]
    if first == list(range(width)) and not isinstance(values, list):
        return pandas.DataFrame(values, index=index, columns=frame.columns, copy=False)
    parts, order = [], []
    for positions, values in replaced:
        data = dict(zip(positions, values, strict=True)) if isinstance(values, list) else values
        parts.append(pandas.DataFrame(data, index=index, columns=positions, copy=False))
        order += positions
    for positions in _runs(sorted(set(range(width)) - set(order))):
        part = slice_columns(frame, positions)
        parts.append(part.set_axis(positions, axis=1))  # labels that are unique
        order += positions
    result = pandas.concat(parts, axis=1).take(np.argsort(order), axis=1)
    result.columns = frame.columns
    return result


def _runs(positions: list[int]) -> list[list[int]]:
    """Return runs of consecutive positions; all positions as one if there are too many runs.

    >>> _runs([0, 1, 4])
    [[0, 1], [4]]
    """
    ends = np.flatnonzero(np.diff(positions) > 1) + 1
    if not positions or len(ends) >= _MAX_RUNS:
        return [positions] if positions else []
    return [run.tolist() for run in np.split(np.asarray(positions), ends)]
