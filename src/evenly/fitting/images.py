"""Fit moments on images: per thread and per pixel format, merged exactly."""

import threading
from collections.abc import Collection, Hashable
from typing import NamedTuple, TypeAlias

from evenly.block import Block
from evenly.columns import ColumnNames
from evenly.distribution.bins import Bins, ordered_bits
from evenly.errors import DataError, format_names
from evenly.fitting.protocols import AnyMoments
from evenly.group_keys import Key
from evenly.key_index import lookup_key
from evenly.moments import GroupedMoments, Moments, merge
from evenly.moments.grouped import one_group
from evenly.moments.records import state_from_records
from evenly.sources.images.bands import FULL_SCALE, band_columns
from evenly.sources.images.batch_buffer import ImageBlock
from evenly.sources.images.source import ImageSource
from evenly.statistics_file.column import ColumnRecord
from evenly.typing import Infinite

_Format: TypeAlias = tuple[str, tuple[int, ...]]
"""Pillow's mode, and the shape of a pixel in memory: RGB has three bands, or four with padding."""


class _PartKey(NamedTuple):
    """The properties that the images of a part share; ``group`` is the `lookup_key` of a group."""

    thread: int
    pixel_format: _Format
    archive: str
    group: Hashable


class _Part(NamedTuple):
    """The moments of some images, with one column per band in memory, and their group."""

    group: Key | None
    moments: Moments


class ImageAccumulator:
    """Moments per thread, pixel format, archive and group, with one column per band in memory.

    Threads do not wait for each other, and no pixel is converted: `result` exactly expands gray
    to three columns, scales 8-bit values to 16 bits and drops alpha.

    Parameters
    ----------
    source
        The source of the images.
    before
        The moments of other images, to which these are added: by group, if the images have groups.
    bands
        The columns of those images, and their name in messages.
    """

    def __init__(
        self, source: ImageSource, before: AnyMoments, bands: tuple[ColumnNames, str] = (None, "")
    ) -> None:
        self._source = source
        self._bins = before.distribution
        self._before = before
        self._parts: dict[_PartKey, _Part] = {}
        names, example = bands
        self._example: dict[tuple[str, ...], str] = {} if names is None else {names: example}

    @property
    def bands(self) -> ColumnNames:
        """The columns of each image, whether fitted or not; None without images."""
        return next(iter(self._example), None)

    def update(self, block: Block, /, *, infinite: Infinite, threads: int | None) -> None:
        """Add images to moments that only the calling thread uses."""
        assert isinstance(block, ImageBlock)
        group = None if block.group is None else lookup_key(block.group)
        pixel_format = block.kind, block.band_shape
        key = _PartKey(threading.get_ident(), pixel_format, block.archive, group)
        part = self._parts.get(key)
        if part is None:
            self._check_bands(block)
            part = _Part(block.group, Moments.empty(distribution=self._bins))
            self._parts[key] = part
        part.moments.update(block, infinite=infinite, threads=threads)

    def _check_bands(self, block: ImageBlock) -> None:
        """Check that all images have the same columns; with ``mode="native"`` they may differ."""
        names, _ = band_columns(block.kind, self._source.mode)
        self._example.setdefault(names, block.label)
        if len(self._example) > 1:
            (ours, first), (theirs, other) = list(self._example.items())[:2]
            raise DataError(
                "With mode='native' all images must have the same bands. Received: "
                f"{first} with {format_names(ours)}, {other} with {format_names(theirs)}. "
                "Pass mode='RGB' or mode='L'."
            )

    def drop(self, archive: str) -> None:
        """Drop the images of an archive that was incomplete at every `merge` so far."""
        for key in [key for key in self._parts if key.archive == archive]:
            del self._parts[key]

    def merge(self, incomplete: Collection[str]) -> None:
        """Merge the moments of all images except those in incomplete archives.

        These are kept separately, so that they can be dropped later.
        """
        complete = {key: part for key, part in self._parts.items() if key.archive not in incomplete}
        self._parts = {key: part for key, part in self._parts.items() if key not in complete}
        self._before = self._merge(complete)

    def result(self) -> AnyMoments:
        """Return the moments of all images so far; no thread may add images meanwhile."""
        return self._merge(self._parts)

    def _merge(self, parts: dict[_PartKey, _Part]) -> AnyMoments:
        """Return the moments of earlier images and of parts, with the fitted columns."""
        by_format: dict[tuple[_Format, Hashable], list[_Part]] = {}
        for key, part in parts.items():
            by_format.setdefault((key.pixel_format, key.group), []).append(part)
        merged = [
            _Part(same[0].group, self._select_bands(mode, merge(part.moments for part in same)))
            for ((mode, _), _), same in by_format.items()
        ]
        return _add_parts(self._before, merged, self._source.description)

    def _select_bands(self, mode: str, bands: Moments) -> Moments:
        """Return the moments of the selected columns from those of the bands in memory."""
        names, indices = band_columns(mode, self._source.mode)
        by_band = list(bands.column_records())
        by_name = [
            by_band[index]._replace(name=name) for name, index in zip(names, indices, strict=True)
        ]
        moments = _moments_from_records(by_name, bands.rows, self._bins)
        return moments.select(self._source.chosen(names))


def _add_parts(before: AnyMoments, parts: list[_Part], description: str) -> AnyMoments:
    """Return the sum, scaled to 16 bits if some of the images have 16 bits.

    Raises
    ------
    DataError
        When others are of floats or 32-bit integers, which have no full scale.
    """
    dtypes = {part.moments.dtypes[0] for part in parts}
    dtypes |= {before.dtypes[0]} if before.rows else set()
    if "uint16" in dtypes:
        _check_scales(dtypes, description)
        parts = [part._replace(moments=_scale(part.moments)) for part in parts]
        before = _scale_any(before)
    total = before.copy()
    for group, moments in parts:
        if isinstance(total, Moments):
            total.merge_inplace(moments)
        else:
            assert group is not None
            total.merge_inplace(one_group(group, moments, total.by), consume=True)
    return total


def _check_scales(dtypes: set[str], description: str) -> None:
    if not FULL_SCALE.keys() >= dtypes:
        raise DataError(
            "16-bit images cannot be combined with images of floats or 32-bit integers, which have "
            f"no defined white level. Received: {description}, with {' and '.join(sorted(dtypes))}."
            " Fit them separately."
        )


def _scale_any(moments: AnyMoments) -> AnyMoments:
    """Return moments scaled to 16 bits, group by group."""
    if not moments.rows or moments.dtypes[0] == "uint16":
        return moments
    if isinstance(moments, Moments):
        return _scale(moments)
    total = GroupedMoments.empty(moments.by, distribution=moments.distribution)
    for key, group in moments.items():
        parts = key if isinstance(key, tuple) else (key,)
        total.merge_inplace(one_group(parts, _scale(group), moments.by), consume=True)
    return total


def _scale(moments: Moments) -> Moments:
    """Return moments scaled to 16 bits."""
    factor = FULL_SCALE["uint16"] // FULL_SCALE[moments.dtypes[0]]
    if factor == 1:
        return moments
    scaled = [
        _scale_column(column, factor)._replace(dtype="uint16")
        for column in moments.column_records()
    ]
    return _moments_from_records(scaled, moments.rows, moments.distribution)


def _moments_from_records(columns: list[ColumnRecord], rows: int, bins: int) -> Moments:
    state = state_from_records(columns, extremes_are_bounds=False, bins=bins)
    names = tuple(str(column.name) for column in columns)
    return Moments(state, names, tuple(column.dtype for column in columns), (), rows)


def _scale_column(column: ColumnRecord, factor: int) -> ColumnRecord:
    """Return the record of a column after multiplying each value by an integer."""
    (total, e), (squares, f) = column.sum, column.squares
    return column._replace(
        sum=(total * factor, e),
        squares=(squares * factor**2, f),
        min=None if column.min is None else column.min * factor,
        max=None if column.max is None else column.max * factor,
        bins=None if column.bins is None else _scale_bins(column.bins, factor),
    )


def _scale_bins(bins: Bins, factor: int) -> Bins:
    """Return the bins of a column after multiplying each value by an integer."""
    if factor == 1:
        return bins
    if bins.shift:
        raise DataError(
            "Distributions of 8-bit and 16-bit images can be combined only if they have all 256 "
            "values of 8-bit images. Received: distribution= of fewer bins. Pass "
            "distribution=True, or a number of at least 256."
        )
    return Bins(0, ordered_bits(bins.lower * factor), bins.counts)


def require_images(moments: AnyMoments, source: ImageSource) -> AnyMoments:
    """Return the moments of images, after checking that there are any.

    Raises
    ------
    DataError
        When there are no images, or none can be read.
    """
    if moments.rows:
        return moments
    summary = source.summary
    if summary.broken:
        raise DataError(
            f"At least one image must be readable. Received: {source.description}, whose "
            f"{summary.broken:,} images are not: {summary.reasons}."
        )
    raise DataError(
        "At least one image is needed. Received: "
        f"{source.description}, with none ({'; '.join(source.remarks()[1:]) or 'nothing'})."
    )
