"""Find the columns of a pandas frame that are one array, without an object for each of them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evenly.typing import AnyArray

if TYPE_CHECKING:
    import pandas


Matrix = AnyArray

_SMALL = 2**20
"""Values that are rather copied into one array than read column by column."""


def number_blocks(
    frame: "pandas.DataFrame", positions: Sequence[int]
) -> Iterator[tuple[list[int], Matrix]]:
    """Yield the columns of NumPy numbers, by dtype, as two-dimensional arrays.

    Columns that are not stored together, and too large to be copied, are arrays of one column.

    Yields
    ------
    indices
        Of the columns in ``positions``.
    values
        One row per row of the frame.
    """
    for indices in _indices_by_dtype(frame, positions):
        chosen = [positions[index] for index in indices]
        if len(frame) * len(chosen) <= _SMALL or _are_adjacent(frame, chosen):
            yield indices, slice_columns(frame, chosen).to_numpy(copy=False)
        else:
            for index, position in zip(indices, chosen, strict=True):
                yield [index], frame.iloc[:, position].to_numpy()[:, np.newaxis]


def _indices_by_dtype(frame: "pandas.DataFrame", positions: Sequence[int]) -> list[list[int]]:
    """Return the indices of the columns of each NumPy dtype of numbers, in the order of the frame.

    In that order pandas returns adjacent columns without a copy.
    """
    dtypes = frame.dtypes.tolist()
    order: Sequence[int] = range(len(positions))
    if any(a >= b for a, b in pairwise(positions)):
        order = sorted(order, key=positions.__getitem__)
    groups: dict[object, list[int]] = {}
    for index in order:
        groups.setdefault(dtypes[positions[index]], []).append(index)
    return [indices for dtype, indices in groups.items() if is_numpy_number(dtype)]


def is_numpy_number(dtype: object) -> bool:
    """Return whether a dtype of pandas is one of NumPy's numbers."""
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub"


def _are_adjacent(frame: "pandas.DataFrame", positions: Sequence[int]) -> bool:
    """Return whether pandas returns these columns as one array without a copy."""
    row = frame.iloc[:1]
    values = slice_columns(row, positions).to_numpy(copy=False)
    return bool(np.may_share_memory(values, row.iloc[:, positions[0]].to_numpy()))


def slice_columns(frame: "pandas.DataFrame", positions: Sequence[int]) -> "pandas.DataFrame":
    """Return the columns at some positions; consecutive ones are not copied."""
    first, last = positions[0], positions[-1]
    if list(positions) != list(range(first, last + 1)):
        return frame.iloc[:, list(positions)]
    whole = first == 0 and last + 1 == frame.shape[1]
    return frame if whole else frame.iloc[:, first : last + 1]
