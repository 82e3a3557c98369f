"""Split a chunked array into blocks along its chunks, so that each chunk is decoded once."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from evenly.sources import block_sizes

Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class ReadSlices:
    """The slices that split an array into blocks.

    Attributes
    ----------
    shape
        The shape of the array.
    steps
        The shape of a block; blocks at the end of an axis may be smaller.
    in_order
        Whether the blocks yield the rows in C order.
    """

    shape: tuple[int, ...]
    steps: tuple[int, ...]
    in_order: bool

    def __iter__(self) -> Iterator[Slices]:
        """Yield the slices of each block; the last axis varies fastest."""
        pairs = list(zip(self.shape, self.steps, strict=True))
        for starts in product(*(range(0, length, step) for length, step in pairs)):
            yield tuple(
                slice(start, min(start + step, length))
                for start, (length, step) in zip(starts, pairs, strict=True)
            )

    @property
    def size(self) -> int:
        """The total number of values."""
        return math.prod(self.shape)

    def share(self, nbytes: int | None, start: int, stop: int) -> int:
        """Return the share of ``nbytes`` of the values from ``start`` to ``stop``, in order."""
        total, size = nbytes or 0, max(1, self.size)
        return total * stop // size - total * start // size


def plan_slices(
    shape: tuple[int, ...],
    chunks: tuple[int, ...] | None,
    *,
    itemsize: int,
    feature_axis: int | None = None,
    in_order: bool = False,
) -> ReadSlices:
    """Return the slices that split an array into blocks.

    A block has whole chunks and all features. It has complete rows of the first axis if that takes
    at most 256 MB. Otherwise, for example if chunks are long in time and small in space, it has as
    many chunks as fit.

    Parameters
    ----------
    shape
        The shape of the array.
    chunks
        The shape of a chunk; None for an array without chunks.
    itemsize
        The size of a value in bytes.
    feature_axis
        The axis that is not split; None if all axes are rows.
    in_order
        Whether rows must be in order, even if chunks are read more than once.

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
    sizes = block_sizes.current
    row = itemsize * math.prod(lengths) // lengths[rows[0]]
    if in_order or row * unit[rows[0]] <= sizes.max_store_bytes:
        step = _round_to_chunks(sizes.store_bytes // row, unit[rows[0]])
        if row * step > sizes.max_store_bytes:
            step = max(1, sizes.max_store_bytes // row)
        return ReadSlices(shape, (*lengths[: rows[0]], step, *lengths[rows[0] + 1 :]), True)
    return ReadSlices(shape, _grow_to_budget(lengths, unit, rows, itemsize), False)


def _grow_to_budget(
    lengths: tuple[int, ...], unit: tuple[int, ...], rows: list[int], itemsize: int
) -> tuple[int, ...]:
    """Return the shape of a chunk, extended from the last axis on to the size of a block."""
    steps = list(unit)
    for axis in reversed(rows):
        times = block_sizes.current.store_bytes // (itemsize * math.prod(steps))
        steps[axis] = min(lengths[axis], _round_to_chunks(times * unit[axis], unit[axis]))
        if steps[axis] < lengths[axis]:
            break
    return tuple(steps)


def _round_to_chunks(rows: int, chunk: int) -> int:
    """Round a number of rows down to whole chunks, but at least one chunk."""
    return max(1, rows // chunk) * chunk
