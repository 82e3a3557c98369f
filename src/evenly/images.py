"""Images into moments: each kind summed apart, by each thread, and put together exactly."""

import threading
from collections.abc import Callable
from typing import TypeAlias

from evenly.block import Block
from evenly.errors import DataError, listed
from evenly.moments import Moments, merge
from evenly.moments.records import records, state_of
from evenly.side_by_side import consume_side_by_side
from evenly.sources.images import ImageSource
from evenly.sources.images.pixels import FULL_SCALE, columns
from evenly.sources.images.run import Shot
from evenly.statistics_file.column import ColumnRecord

_Kind: TypeAlias = tuple[str, tuple[int, ...]]
"""Pillow's mode, and the bands as they lie in memory: three of colour, or four, one to spare."""


def fit_images(
    source: ImageSource, report: Callable[[Block], None] | None, infinite: str, threads: int
) -> Moments:
    """Return the moments of images, a row a pixel; a thread decodes one and sums it.

    Raises
    ------
    DataError
        When none can be read, or with ``mode="native"`` they have different bands.
    """
    sums = _Sums(source, infinite)

    def take(shot: Shot) -> None:
        sums.add(shot)
        if report is not None:
            report(shot.block())

    consume_side_by_side(source.tasks(), take, threads)
    return sums.total()


class _Sums:
    """Moments by thread and by kind; their columns are its bands as they lie in memory.

    No thread waits for another, and nothing is moved: a grey image becomes three columns, an
    8-bit value one of 16 bits, and alpha is left out, when all is there and exactly.
    """

    def __init__(self, source: ImageSource, infinite: str) -> None:
        self._source = source
        self._infinite = infinite
        self._parts: dict[tuple[int, _Kind], Moments] = {}
        self._example: dict[tuple[str, ...], str] = {}

    def add(self, shot: Shot) -> None:
        """Add an image; this thread only has the moments that it goes to."""
        key = threading.get_ident(), (shot.kind, shot.array.shape[1:])
        part = self._parts.get(key)
        if part is None:
            self._check_bands(shot)
            part = self._parts[key] = Moments.empty()
        part.update(shot.array, infinite=self._infinite, threads=1)

    def _check_bands(self, shot: Shot) -> None:
        """Check that all images have the same columns, which only native ones may not have."""
        names, _ = columns(shot.kind, self._source.mode)
        self._example.setdefault(names, shot.place)
        if len(self._example) > 1:
            (ours, first), (theirs, other) = list(self._example.items())[:2]
            raise DataError(
                "With mode='native' all images must have the same bands. Received: "
                f"{first} with {listed(ours)}, {other} with {listed(theirs)}. "
                "Pass mode='RGB' or mode='L'."
            )

    def total(self) -> Moments:
        """Return the moments of all images."""
        if not self._parts:
            raise _none_readable(self._source)
        kinds = {kind for _, kind in self._parts}
        deepest = "uint16" if any(mode == "I;16" for mode, _ in kinds) else ""
        if deepest:
            self._check_white()
        sums = merge(
            self._columns_of(kind[0], merge(self._of_kind(kind)), deepest) for kind in sorted(kinds)
        )
        return sums.select(self._source.chosen(sums.columns or ()))

    def _check_white(self) -> None:
        """Check that all images have a scale, as those of 16 bits do."""
        dtypes = sorted({part.dtypes[0] for part in self._parts.values()})
        if not FULL_SCALE.keys() >= set(dtypes):
            raise DataError(
                "Images of 16 bits have a white, and those of floats or 32 bits have none, so "
                f"that they cannot be added. Received: {self._source.description}, with "
                f"{' and '.join(dtypes)}. Fit them apart."
            )

    def _of_kind(self, kind: _Kind) -> list[Moments]:
        return [part for (_, other), part in self._parts.items() if other == kind]

    def _columns_of(self, mode: str, bands: Moments, deepest: str) -> Moments:
        """Return the columns that the bands of a kind count as, on the scale of the deepest."""
        names, places = columns(mode, self._source.mode)
        dtype = deepest or bands.dtypes[0]
        factor = FULL_SCALE[dtype] // FULL_SCALE[bands.dtypes[0]] if deepest else 1
        found = list(records(bands._state, None, bands.dtypes))
        ours = [
            _times(found[place], factor)._replace(name=name, dtype=dtype)
            for name, place in zip(names, places, strict=True)
        ]
        state = state_of(ours, extremes_are_bounds=False)
        return Moments(state, names, (dtype,) * len(names), (), bands.rows)


def _times(column: ColumnRecord, factor: int) -> ColumnRecord:
    """Return what a column is when each of its values is multiplied by a whole number."""
    (total, e), (squares, f) = column.sum, column.squares
    return column._replace(
        sum=(total * factor, e),
        squares=(squares * factor**2, f),
        min=None if column.min is None else column.min * factor,
        max=None if column.max is None else column.max * factor,
    )


def _none_readable(source: ImageSource) -> DataError:
    tally = source.tally
    if tally.broken:
        return DataError(
            f"At least one image must be readable. Received: {source.description}, whose "
            f"{tally.broken:,} images are not: {tally.reasons}."
        )
    return DataError(
        "At least one image is needed. Received: "
        f"{source.description}, with none ({'; '.join(source.remarks()[1:]) or 'nothing'})."
    )
