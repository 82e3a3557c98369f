"""In which boxes a chunked array is read: along its chunks, so that each is decoded once."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

_BYTES = 8 * 2**20
"""A box's size: some chunks, that are decoded while the ones before are summed.

Beyond 32 MB the C library asks the system for new pages each time.
"""
_MAX_BYTES = 256 * 2**20
"""What a box may take so that rows come in their order; beyond it they come by chunks."""

Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class ReadSlices:
    """The boxes that an array is cut into.

    Attributes
    ----------
    shape
        Of the array.
    steps
        Of a box; those at the array's ends may be smaller.
    in_order
        Whether rows come in their order, that of C, when box follows box.
    """

    shape: tuple[int, ...]
    steps: tuple[int, ...]
    in_order: bool

    def __iter__(self) -> Iterator[Slices]:
        """Yield the boxes, the last axis first."""
        pairs = list(zip(self.shape, self.steps, strict=True))
        for starts in product(*(range(0, length, step) for length, step in pairs)):
            yield tuple(
                slice(start, min(start + step, length))
                for start, (length, step) in zip(starts, pairs, strict=True)
            )

    @property
    def size(self) -> int:
        """The number of values in all."""
        return math.prod(self.shape)


def plan_slices(
    shape: tuple[int, ...],
    chunks: tuple[int, ...] | None,
    *,
    itemsize: int,
    feature_axis: int | None = None,
    in_order: bool = False,
) -> ReadSlices:
    """Return the boxes of an array.

    A box has whole chunks and all features. It has whole rows of the first axis, where that
    takes 256 MB at most; else, as with chunks that are long in time and small in space, it
    has as many chunks as fit.

    Parameters
    ----------
    chunks
        The shape of a chunk; None for an array in one piece.
    feature_axis
        The axis that is not cut; None when all axes are rows.
    in_order
        Rows must come in their order, though chunks be read more than once for it.

    >>> list(plan_slices((5, 2), (2, 1), itemsize=2**24, feature_axis=1))[0]
    (slice(0, 2, None), slice(0, 2, None))
    >>> plan_slices((800, 512, 512), (800, 16, 16), itemsize=4).steps
    (800, 16, 160)
    """
    lengths = tuple(max(1, length) for length in shape)
    unit = tuple(
        length if axis == feature_axis else max(1, min(chunk, length))
        for axis, (chunk, length) in enumerate(
            zip(chunks or (1,) * len(shape), lengths, strict=True)
        )
    )
    rows = [axis for axis in range(len(shape)) if axis != feature_axis]
    if not rows:
        return ReadSlices(shape, lengths, True)
    row = itemsize * math.prod(lengths) // lengths[rows[0]]
    if in_order or row * unit[rows[0]] <= _MAX_BYTES:
        step = _aligned(_BYTES // row, unit[rows[0]])
        if row * step > _MAX_BYTES:
            step = max(1, _MAX_BYTES // row)
        return ReadSlices(shape, (*lengths[: rows[0]], step, *lengths[rows[0] + 1 :]), True)
    return ReadSlices(shape, _grow_to_budget(lengths, unit, rows, itemsize), False)


def _grow_to_budget(
    lengths: tuple[int, ...], unit: tuple[int, ...], rows: list[int], itemsize: int
) -> tuple[int, ...]:
    """Return a chunk's shape, grown from the last axis on to what a box may take."""
    steps = list(unit)
    for axis in reversed(rows):
        times = _BYTES // (itemsize * math.prod(steps))
        steps[axis] = min(lengths[axis], _aligned(times * unit[axis], unit[axis]))
        if steps[axis] < lengths[axis]:
            break
    return tuple(steps)


def _aligned(rows: int, chunk: int) -> int:
    """Return the largest number of rows that has whole chunks; one chunk at least."""
    return max(1, rows // chunk) * chunk
