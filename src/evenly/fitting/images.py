"""Images into moments: each kind summed apart, by each thread, and put together exactly."""

import threading
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from evenly.block import Block
from evenly.columns import ColumnNames
from evenly.errors import DataError, format_names
from evenly.fitting.parallel import run_tasks
from evenly.moments import Moments, merge
from evenly.moments.records import records, state_from_records
from evenly.sources.images import ImageSource
from evenly.sources.images.batch_buffer import DecodedBatch
from evenly.sources.images.pixels import FULL_SCALE, columns
from evenly.statistics_file.column import ColumnRecord
from evenly.typing import Infinite

_Kind: TypeAlias = tuple[str, tuple[int, ...]]
"""Pillow's mode, and the bands as they lie in memory: three of colour, or four, one to spare."""


def fit_images(
    source: ImageSource, report: Callable[[Block], None] | None, infinite: Infinite, threads: int
) -> Moments:
    """Return the moments of images, a row a pixel; a thread decodes one and sums it.

    Raises
    ------
    DataError
        When none can be read, or with ``mode="native"`` they have different bands.
    """
    sums = ImageAccumulator(source, infinite)

    def take(shot: DecodedBatch) -> None:
        sums.add(shot)
        if report is not None:
            report(shot.block())

    run_tasks(source.tasks(), take, threads)
    return require_images(sums.result(), source)


class ImageAccumulator:
    """Moments by thread, by kind and by archive; their columns are its bands as they lie in memory.

    No thread waits for another, and nothing is moved: a grey image becomes three columns, an
    8-bit value one of 16 bits, and alpha is left out, when all is there and exactly.

    Parameters
    ----------
    before
        The moments of other images, to which these are added.
    bands
        The columns that each of those has, and what to call them in a message.
    """

    def __init__(
        self,
        source: ImageSource,
        infinite: Infinite,
        before: Moments | None = None,
        bands: tuple[ColumnNames, str] = (None, ""),
    ) -> None:
        self._source = source
        self._infinite = infinite
        self._before = Moments.empty() if before is None else before
        self._parts: dict[tuple[int, _Kind, str], Moments] = {}
        names, example = bands
        self._example: dict[tuple[str, ...], str] = {} if names is None else {names: example}

    @property
    def bands(self) -> ColumnNames:
        """The columns that each image has, those that are not fitted too; None without images."""
        return next(iter(self._example), None)

    def add(self, shot: DecodedBatch) -> None:
        """Add an image; this thread only has the moments that it goes to."""
        key = threading.get_ident(), (shot.kind, shot.array.shape[1:]), shot.archive
        part = self._parts.get(key)
        if part is None:
            self._check_bands(shot)
            part = self._parts[key] = Moments.empty()
        part.update(shot.array, infinite=self._infinite, threads=1)

    def _check_bands(self, shot: DecodedBatch) -> None:
        """Check that all images have the same columns, which only native ones may not have."""
        names, _ = columns(shot.kind, self._source.mode)
        self._example.setdefault(names, shot.label)
        if len(self._example) > 1:
            (ours, first), (theirs, other) = list(self._example.items())[:2]
            raise DataError(
                "With mode='native' all images must have the same bands. Received: "
                f"{first} with {format_names(ours)}, {other} with {format_names(theirs)}. "
                "Pass mode='RGB' or mode='L'."
            )

    def drop(self, archive: str) -> None:
        """Take out the images of an archive, of which none was in a total that did not hold it."""
        for key in [key for key in self._parts if key[2] == archive]:
            del self._parts[key]

    def result(self, held: Collection[str] = ()) -> Moments:
        """Return the moments of all images so far; no thread may add any meanwhile.

        Those of archives that are `held` stay apart, and may be dropped later.
        """
        ended = {key: part for key, part in self._parts.items() if key[2] not in held}
        self._parts = {key: part for key, part in self._parts.items() if key not in ended}
        self._before = self._with(ended)
        return self._with(self._parts)

    def _with(self, parts: dict[tuple[int, _Kind, str], Moments]) -> Moments:
        kinds = sorted({kind for _, kind, _ in parts})
        found = [self._select_bands(kind[0], merge(_of_kind(parts, kind))) for kind in kinds]
        found += [self._before] if self._before.rows else []
        return merge(_to_common_bit_depth(found, self._source.description))

    def _select_bands(self, mode: str, bands: Moments) -> Moments:
        """Return those of the columns that the bands of a kind count as which are asked for."""
        names, indices = columns(mode, self._source.mode)
        found = list(records(bands._state, None, bands.dtypes))
        ours = [
            found[index]._replace(name=name) for name, index in zip(names, indices, strict=True)
        ]
        return _moments(ours, bands.rows).select(self._source.chosen(names))


def _of_kind(parts: dict[tuple[int, _Kind, str], Moments], kind: _Kind) -> Iterator[Moments]:
    return (part for (_, other, _), part in parts.items() if other == kind)


def _to_common_bit_depth(parts: list[Moments], description: str) -> Iterator[Moments]:
    """Yield moments on the scale of the deepest, if there are some of 16 bits.

    Raises
    ------
    DataError
        When others have no scale.
    """
    dtypes = sorted({part.dtypes[0] for part in parts})
    if "uint16" not in dtypes:
        yield from parts
        return
    if not FULL_SCALE.keys() >= set(dtypes):
        raise DataError(
            "Images of 16 bits have a white, and those of floats or 32 bits have none, so that "
            f"they cannot be added. Received: {description}, with {' and '.join(dtypes)}. "
            "Fit them apart."
        )
    for part in parts:
        factor = FULL_SCALE["uint16"] // FULL_SCALE[part.dtypes[0]]
        ours = records(part._state, part.columns, ("uint16",) * part.num_features)
        yield _moments([_scale_column(column, factor) for column in ours], part.rows)


def _moments(found: list[ColumnRecord], rows: int) -> Moments:
    state = state_from_records(found, extremes_are_bounds=False)
    names = tuple(str(column.name) for column in found)
    return Moments(state, names, tuple(column.dtype for column in found), (), rows)


def _scale_column(column: ColumnRecord, factor: int) -> ColumnRecord:
    """Return what a column is when each of its values is multiplied by a whole number."""
    (total, e), (squares, f) = column.sum, column.squares
    return column._replace(
        sum=(total * factor, e),
        squares=(squares * factor**2, f),
        min=None if column.min is None else column.min * factor,
        max=None if column.max is None else column.max * factor,
    )


def require_images(moments: Moments, source: ImageSource) -> Moments:
    """Return the moments of images, after checking that there are any.

    Raises
    ------
    DataError
        When there are none, or none can be read.
    """
    if moments.rows:
        return moments
    tally = source.summary
    if tally.broken:
        raise DataError(
            f"At least one image must be readable. Received: {source.description}, whose "
            f"{tally.broken:,} images are not: {tally.reasons}."
        )
    raise DataError(
        "At least one image is needed. Received: "
        f"{source.description}, with none ({'; '.join(source.remarks()[1:]) or 'nothing'})."
    )
