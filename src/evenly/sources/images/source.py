"""Read images as tasks for several threads, or as blocks in order."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import numpy as np

from evenly.block import Block, GroupKeys
from evenly.errors import DataError, SourceError
from evenly.printable import counted, printable
from evenly.sources import block_sizes
from evenly.sources.bit_depth import BitDepth
from evenly.sources.feature_axis import check_table_axis
from evenly.sources.fields import NUMBER, Field
from evenly.sources.images import image_file
from evenly.sources.images.bands import COLORS, GRAY, band_columns
from evenly.sources.images.batch_buffer import BatchBuilder, ImageBlock, ThreadBuffer, band_data
from evenly.sources.images.decode import (
    JpegHeader,
    UnreadableError,
    decode,
    decode_into,
    fast_header,
    jpeg_decoder,
    pillow,
)
from evenly.sources.images.image_file import ImageFile, ImageReader
from evenly.sources.images.image_file import read as read_image
from evenly.sources.images.pixels import pixels
from evenly.sources.images.summary import ImageSummary, format_skipped, other_images
from evenly.sources.images.tiff import is_tiff, read_tiff
from evenly.sources.opener import SourceOpener
from evenly.sources.options import ReadOptions
from evenly.sources.selection import resolve_columns
from evenly.sources.source import ReadTask
from evenly.system.errors import system_error
from evenly.typing import AnyArray

_log = logging.getLogger("evenly")


class ImageSource:
    """A source of images, with one row per pixel.

    Parameters
    ----------
    iter_files
        Yield the images; called when they are read.
    options
        The options of the user.
    description
        The name of the source, for messages.
    nbytes
        Return the total size in bytes; called only if it is needed.
    skipped
        Counter of the files that are not images by suffix.
    bit_depth
        Checks the images that `blocks` yields.
    counted
        Called by any thread with each image that was read and its number of rows.
    grouped
        Whether the images have keys of groups.
    """

    rows: int | None = None
    fields: tuple[Field, ...] | None = None

    def __init__(
        self,
        iter_files: Callable[[], Iterable[ImageFile]],
        options: ReadOptions,
        *,
        description: str,
        bit_depth: BitDepth | None = None,
        nbytes: Callable[[], int | None] = lambda: None,
        skipped: Any = None,
        counted: Callable[[ImageFile, int], object] | None = None,
        grouped: bool = False,
    ) -> None:
        selection = options.selection
        reject_weights_and_keys(description, selection.weights, selection.by or None)
        check_table_axis(options.feature_axis, description, "The bands of an image")
        self._pillow = pillow()
        self._decoder = jpeg_decoder()
        self._reader = ImageReader()
        self._buffer = ThreadBuffer()
        self._task_size = 1  # images of the next task
        self._iter_files = iter_files
        self._selection = selection
        self._broken = options.broken
        self._bit_depth = bit_depth or BitDepth()
        self._nbytes = nbytes
        self._skipped = {} if skipped is None else skipped
        self._counted = counted
        self.grouped = grouped
        self.mode = options.mode
        self.description = description
        self.left_out: dict[str, str] = {}
        self.summary = ImageSummary()
        known = {"RGB": COLORS, "L": GRAY}.get(options.mode)
        self.names = known and self.chosen(known)

    @property
    def nbytes(self) -> int | None:
        """The total size of all files in bytes; None if unknown."""
        return self._nbytes()

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the selected columns.

        Raises
        ------
        ColumnError
            If there is no column with a selected name.
        """
        fields = [Field(name, NUMBER) for name in names]
        return resolve_columns(self._selection, fields, self.description).names

    def tasks(self) -> Generator[ReadTask]:
        """Yield tasks of a few images each, whose blocks are `ImageBlock`."""
        for group in _group_by_archive(self._iter_files()):
            while image_files := list(islice(group, self._task_size)):
                yield ReadTask(self._decode_images(image_files))

    def blocks(self) -> Generator[Block]:
        """Yield one block per image, all with the same bit depth.

        This is used for images in other batches; `evenly.fit` uses `tasks`.

        Raises
        ------
        DataError
            If there are both 8-bit and 16-bit images.
        """
        for image in self._iter_files():
            for images in self._decode_images([image]):
                block = self._select_columns(images)
                self._bit_depth.check(block)
                yield block
        for warning in self.warnings():
            _log.warning("%s: %s", printable(self.description), printable(warning))

    def warnings(self) -> list[str]:
        """Return sentences on images that were not read, or not completely."""
        return [*self.summary.warnings(), *format_skipped(other_images(self._skipped))]

    def remarks(self) -> list[str]:
        """Return a summary of the images after all have been read, one sentence per line."""
        gray, images = self.summary.gray(), self.summary.images
        lines = [f"{counted(images, 'image')}, one row per pixel"]
        lines += [*self.summary.warnings(), *format_skipped(self._skipped)]
        if self.mode == "RGB" and gray:
            which = "all images" if gray == images else f"{gray:,} of {images:,} images"
            hint = "; mode='L' makes it one column" if gray == images else ""
            lines.append(f"gray: {which}, counted in each column{hint}")
        return lines

    def _select_columns(self, images: ImageBlock) -> Block:
        names, indices = band_columns(images.kind, self.mode)
        chosen = self.chosen(names)
        order = [indices[names.index(name)] for name in chosen]
        data: Any = images.data
        if isinstance(data, tuple):
            data = tuple(data[band] for band in order)
        else:
            data = np.ascontiguousarray(data.reshape(len(data), -1)[:, order])
        keys = None
        if images.group is not None:
            keys = GroupKeys(np.zeros(images.rows, np.int64), (images.group,))
        return Block(chosen, data, keys=keys, label=images.label, nbytes=images.nbytes)

    def _decode_images(self, image_files: Iterable[ImageFile]) -> Iterator[ImageBlock]:
        """Yield blocks of the images that can be read."""
        builder, decoder, mode = BatchBuilder(self._buffer), self._decoder, self.mode
        for contents in self._read(image_files):
            max_pixels = self._pillow.MAX_IMAGE_PIXELS
            headers = [fast_header(decoder, content, mode, max_pixels) for _, content in contents]
            for (image, content), header in zip(contents, headers, strict=True):
                try:
                    yield from self._decode(builder, image, content, header)
                except SourceError:
                    raise
                except (MemoryError, OSError) as error:
                    raise system_error(image.label, error) from None
        yield from self._flush(builder)

    def _decode(
        self, builder: BatchBuilder, image: ImageFile, content: Any, header: JpegHeader | None
    ) -> Iterator[ImageBlock]:
        """Decode an image into the builder; yield blocks that are full or decoded by Pillow."""
        nbytes = len(content) if image.nbytes is None else image.nbytes
        if header is not None:
            memory = builder.memory(header.kind, header.nbytes, image)
            if memory is None:
                yield from self._flush(builder)
                memory = builder.memory(header.kind, header.nbytes, image)
            if decode_into(self._decoder, content, header, memory):
                builder.add(header.kind, header.nbytes, image, nbytes)
                return
        yield from self._flush(builder)
        yield from self._decode_with_pillow(image, content, nbytes)

    def _read(self, image_files: Iterable[ImageFile]) -> Iterator[list[tuple[ImageFile, Any]]]:
        """Yield the images that can be opened with their contents, several small files at once.

        Decoding evicts Python's code and objects from the cache. So several files are read, then
        their headers, and then they are decoded, which makes a fit a twentieth faster.
        """
        sizes = block_sizes.current
        contents: list[tuple[ImageFile, Any]] = []
        nbytes = 0
        for image in image_files:
            try:
                content = self._reader.read(read_image, image)
            except UnreadableError as reason:
                yield contents  # so that the first of several broken images is named
                contents, nbytes = [], 0
                self._on_broken(image.label, str(reason))
                continue
            contents.append((image, content))
            nbytes += len(content) if isinstance(content, bytes) else 0
            self._task_size = max(
                1, min(sizes.images_per_task, len(contents) * sizes.image_bytes // (nbytes + 1))
            )
            if nbytes >= sizes.image_bytes:
                yield contents
                contents, nbytes = [], 0
        yield contents

    def _flush(self, builder: BatchBuilder) -> Iterator[ImageBlock]:
        """Yield the images in a builder as one block, if there are any, and count them."""
        if builder.image_files:
            self.summary.count(builder.kind, len(builder.image_files))
            if self._counted is not None:
                for image, rows in builder.image_files:
                    self._counted(image, rows)
            yield builder.flush()

    def _decode_with_pillow(
        self, image: ImageFile, content: object, nbytes: int
    ) -> Iterator[ImageBlock]:
        """Decode and count one image with Pillow; yield it if it can be read."""
        try:
            kind, array, multi_frame, truncated_depth = self._pixels_of(content)
        except UnreadableError as reason:
            self._on_broken(image.label, str(reason))
            return
        self.summary.count(
            kind,
            multi_frame=multi_frame,
            truncated_depth=truncated_depth,
            is_tiff=is_tiff(content),
        )
        if self._counted is not None:
            self._counted(image, len(array))
        yield ImageBlock(
            None,
            band_data(array),
            label=image.label,
            nbytes=nbytes,
            kind=kind,
            archive=image.archive,
            group=image.group,
        )

    def _pixels_of(self, content: Any) -> tuple[str, AnyArray, bool, bool]:
        """Return the kind and the pixels of an image.

        The last two results are whether it has more frames, and whether its depth was reduced.
        """
        found = read_tiff(self._pillow, content, self.mode) if is_tiff(content) else None
        if found is not None:
            return found.kind, found.array, found.multi_frame, False
        decoded = decode(self._pillow, content)
        kind, array = pixels(decoded.image, self.mode)
        return kind, array, decoded.multi_frame, decoded.truncated_depth

    def _on_broken(self, label: str, reason: str) -> None:
        if self._broken == "error":
            raise SourceError(
                f"Every image must be readable. Received: {label}: {reason}. Fix or remove it, "
                "or pass broken='skip' to skip, count and name images that cannot be read."
            )
        self.summary.add_broken(label, reason)


def _group_by_archive(image_files: Iterable[ImageFile]) -> Iterator[Iterator[ImageFile]]:
    """Yield the images of each archive, and those between two archives, as groups.

    An archive stays open until its last image is released, so a task reads only one archive.
    """
    return (group for _, group in groupby(image_files, lambda image: image.archive))


def open_images(images: object, label: str, opener: SourceOpener) -> ImageSource:
    """Open one Pillow image, or a list of them."""
    opener.check_no_select(images)
    opener.check_no_file_options(images)
    if isinstance(images, list | tuple):
        label = f"a list of {len(images):,} images"
    else:
        images = [images]
    return ImageSource(
        lambda: image_file.from_images(images),
        opener.options,
        description=label,
        bit_depth=opener.bit_depth,
    )


def reject_weights_and_keys(description: str, weights: object, by: object) -> None:
    """Reject weights and group keys: pixels have no defined order to align them with.

    Raises
    ------
    DataError
        If there are weights or keys.
    """
    if weights is not None:
        raise DataError(
            "Images cannot have weights: each pixel counts once. "
            f"Received: weights= for {description}. "
            "To weight whole sets of images, fit them separately; see docs/images.md."
        )
    if by is not None:
        raise DataError(
            "Images cannot have groups: they have no key columns. "
            f"Received: by= for {description}. "
            "Fit the images of each group separately: one folder or pattern per group. Or fit a "
            "column of images of a table, by another column: select='image', by='label'."
        )
