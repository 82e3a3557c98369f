"""`ImageSource`: images as tasks that threads take, each its pixels; or as blocks, in order."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any

import numpy as np

from evenly.block import Block
from evenly.errors import DataError, SourceError
from evenly.printable import printable
from evenly.sources.images import image_file
from evenly.sources.images.batch_buffer import BatchBuilder, DecodedBatch, ThreadBuffer
from evenly.sources.images.decode import UnreadableError, decode, pillow
from evenly.sources.images.image_file import ImageFile, Reader
from evenly.sources.images.image_file import read as read_image
from evenly.sources.images.jpeg import Header, decode_into, decoder, fast_header
from evenly.sources.images.pixels import COLORS, GRAY, check_mode, columns, pixels
from evenly.sources.images.scan import ImageScan
from evenly.sources.images.summary import ImageSummary, format_skipped
from evenly.sources.selection import NUMBER, ColumnSelection, Field, resolve_columns
from evenly.system.errors import system_error

_log = logging.getLogger("evenly")


@dataclass(slots=True)
class ImageOptions:
    """What the user asked for, the same for all images of a fit.

    Attributes
    ----------
    choice
        Which of the columns.
    mode
        ``"RGB"``, ``"L"`` or ``"native"``: see ``docs/images.md``.
    broken
        ``"skip"`` or ``"error"``: what becomes of an image that cannot be read.
    depth
        The dtype of the first block of `ImageSource.blocks`.
    """

    choice: ColumnSelection
    mode: str = "RGB"
    broken: str = "skip"
    depth: str = ""

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if self.broken not in ("skip", "error"):
            raise DataError(
                f"broken must be 'skip' or 'error'. Received: {self.broken!r}. 'skip' counts and "
                "names the images that cannot be read, 'error' stops at the first."
            )

    def check_depth(self, block: Block) -> None:
        """Check that pixels that nobody will tell apart again are on one scale.

        Raises
        ------
        DataError
            When images of 8 and of 16 bits come together.
        """
        dtype = block.dtypes[0]
        self.depth = self.depth or dtype
        if dtype != self.depth:
            raise DataError(
                f"Images in batches must all have one depth. Received: {block.label} of {dtype}, "
                f"after others of {self.depth}. Pass a list, a folder or an archive of them."
            )


_MAX_TASK_SIZE = 16
"""Images of a task at most: threads seldom ask for the next. Those of an archive are held."""

_MAX_READ_BYTES = 1 << 20
"""Bytes of files that are read before the first is decoded, or one file; and about those of a task,
so that a few large photographs are shared by all threads."""


class ImageSource:
    """Images, a row a pixel.

    Parameters
    ----------
    each
        Yields the pictures; it is called when they are to be read.
    nbytes
        Returns the bytes in all; it is called when somebody asks.
    counted
        Called with each image that can be read, and its number of rows, by any thread.
    """

    rows: int | None = None

    def __init__(
        self,
        each: Callable[[], Iterable[ImageFile]],
        rule: ImageOptions,
        *,
        description: str,
        nbytes: Callable[[], int | None] = lambda: None,
        passed_over: Any = None,
        counted: Callable[[ImageFile, int], object] | None = None,
    ) -> None:
        reject_weights_and_keys(description, rule.choice.weights, rule.choice.by or None)
        self._pillow = pillow()
        self._decoder = decoder()
        self._reader = Reader()
        self._room = ThreadBuffer()
        self._task_size = 1  # images of the next task
        self._each = each
        self._rule = rule
        self._nbytes = nbytes
        self._passed_over = {} if passed_over is None else passed_over
        self._counted = counted
        self.description = description
        self.left_out: dict[str, str] = {}
        self.summary = ImageSummary()
        known = {"RGB": COLORS, "L": GRAY}.get(rule.mode)
        self.names = known and self.chosen(known)

    @property
    def mode(self) -> str:
        """The mode in which the images are taken."""
        return self._rule.mode

    @property
    def nbytes(self) -> int | None:
        """The bytes of all files."""
        return self._nbytes()

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the columns that were asked for.

        Raises
        ------
        ColumnError
            When there is none of a name.
        """
        fields = [Field(name, NUMBER) for name in names]
        return resolve_columns(self._rule.choice, fields, self.description).names

    def tasks(self) -> Generator[Iterable[DecodedBatch]]:
        """Yield tasks of some images each, one after the other."""
        for same in _by_archive(self._each()):
            while some := list(islice(same, self._task_size)):
                yield self._decode_images(some)

    def blocks(self) -> Generator[Block]:
        """Yield the images one after the other, in one depth.

        It is the way of images within other batches. `evenly.fit` takes `tasks`.

        Raises
        ------
        DataError
            When images of 8 and of 16 bits come together.
        """
        for picture in self._each():
            for shot in self._decode_images([picture]):
                block = self._named(shot)
                self._rule.check_depth(block)
                yield block
        for doubt in self.summary.warnings():
            _log.warning("%s: %s", printable(self.description), printable(doubt))

    def remarks(self) -> list[str]:
        """Return what there is to say when all has been read, a sentence a line."""
        grey, images = self.summary.grey(), self.summary.images
        lines = [f"{images:,} image{'s' * (images != 1)}, a row a pixel"]
        lines += [*self.summary.warnings(), *format_skipped(self._passed_over)]
        if self.mode == "RGB" and grey:
            which = "all images" if grey == images else f"{grey:,} of {images:,} images"
            alone = "; mode='L' makes it one column" if grey == images else ""
            lines.append(f"grey: {which}, counted in each column{alone}")
        return lines

    def _named(self, shot: DecodedBatch) -> Block:
        names, indices = columns(shot.kind, self.mode)
        chosen = self.chosen(names)
        bands = shot.array.reshape(len(shot.array), -1)
        order = [indices[names.index(name)] for name in chosen]
        return replace(shot.block(), names=chosen, data=np.ascontiguousarray(bands[:, order]))

    def _decode_images(self, image_files: Iterable[ImageFile]) -> Iterator[DecodedBatch]:
        """Yield the images that can be read; those that lie together in memory as one."""
        run, decoder, mode = BatchBuilder(self._room), self._decoder, self.mode
        for read in self._read(image_files):
            most = self._pillow.MAX_IMAGE_PIXELS
            headers = [fast_header(decoder, content, mode, most) for _, content in read]
            for (picture, content), header in zip(read, headers, strict=True):
                try:
                    yield from self._decoded(run, picture, content, header)
                except SourceError:
                    raise
                except (MemoryError, OSError) as error:
                    raise system_error(picture.label, error) from None
        yield from self._flush(run)

    def _decoded(
        self, run: BatchBuilder, picture: ImageFile, content: Any, header: Header | None
    ) -> Iterator[DecodedBatch]:
        """Decode an image into the run; what does not fit in there is yielded."""
        nbytes = len(content) if picture.nbytes is None else picture.nbytes
        if header is not None:
            memory = run.memory(header.kind, header.nbytes, picture.archive)
            if memory is None:
                yield from self._flush(run)
                memory = run.memory(header.kind, header.nbytes, picture.archive)
            if decode_into(self._decoder, content, header, memory):
                run.add(header.kind, header.nbytes, picture, nbytes)
                return
        yield from self._flush(run)
        yield from self._by_pillow(picture, content, nbytes)

    def _read(self, image_files: Iterable[ImageFile]) -> Iterator[list[tuple[ImageFile, Any]]]:
        """Yield the pictures that can be opened with what they read, small files together.

        After each decoding Python's own code and objects are out of the cache. So some files are
        read, then their headers, and then they are decoded: a twentieth less of a fit's time.
        """
        some: list[tuple[ImageFile, Any]] = []
        nbytes = 0
        for picture in image_files:
            try:
                content = self._reader.read(read_image, picture)
            except UnreadableError as reason:
                yield some  # of several that are broken, the first is named
                some, nbytes = [], 0
                self._on_broken(picture.label, str(reason))
                continue
            some.append((picture, content))
            nbytes += len(content) if isinstance(content, bytes) else 0
            self._task_size = max(
                1, min(_MAX_TASK_SIZE, len(some) * _MAX_READ_BYTES // (nbytes + 1))
            )
            if nbytes >= _MAX_READ_BYTES:
                yield some
                some, nbytes = [], 0
        yield some

    def _flush(self, run: BatchBuilder) -> Iterator[DecodedBatch]:
        """Yield the images of a run as one, if there are any, and count them."""
        if run.image_files:
            self.summary.count(run.kind, len(run.image_files))
            if self._counted is not None:
                for picture, rows in run.image_files:
                    self._counted(picture, rows)
            yield run.flush()

    def _by_pillow(self, picture: ImageFile, content: Any, nbytes: int) -> Iterator[DecodedBatch]:
        """Yield what a file's bytes are, or Pillow's image, if Pillow can read it; and count it."""
        try:
            decoded = decode(self._pillow, content)
            kind, array = pixels(decoded.image, self.mode)
        except UnreadableError as reason:
            self._on_broken(picture.label, str(reason))
            return
        self.summary.count(
            kind, multi_frame=decoded.multi_frame, truncated_depth=decoded.truncated_depth
        )
        if self._counted is not None:
            self._counted(picture, len(array))
        yield DecodedBatch(kind, array, picture.label, nbytes, picture.archive)

    def _on_broken(self, label: str, reason: str) -> None:
        if self._rule.broken == "error":
            raise SourceError(
                f"Every image must be readable. Received: {label}: {reason}. Mend it or remove it, "
                "or pass broken='skip' to leave out, count and name what cannot be read."
            )
        self.summary.add_broken(label, reason)


def _by_archive(each: Iterable[ImageFile]) -> Iterator[Iterator[ImageFile]]:
    """Yield the pictures of an archive at a time, and all between two archives.

    An archive is open for as long as one of its pictures is left: those of a task are of one.
    """
    return (same for _, same in groupby(each, lambda picture: picture.archive))


def from_files(sources: Sequence[Any], rule: ImageOptions, known: Any = None) -> ImageSource:
    """Return the images in files, folders, patterns and archives as a source.

    Parameters
    ----------
    known
        An `ImagePositions` of these files, some of which were read before: only the rest are read.

    Raises
    ------
    SourceError
        When there are tables among them.
    MissingExtraError
        When Pillow is not installed.
    """
    if known is not None:
        return ImageSource(
            known.image_files,
            rule,
            description=known.listing.description,
            nbytes=known.nbytes,
            passed_over=known.listing.passed_over,
            counted=known.count,
        )
    listing = ImageScan(sources)
    return ImageSource(
        listing.image_files,
        rule,
        description=listing.description,
        nbytes=listing.nbytes,
        passed_over=listing.passed_over,
    )


def from_memory(images: Iterable[Any], rule: ImageOptions, description: str) -> ImageSource:
    """Return images of Pillow's as a source."""
    return ImageSource(lambda: image_file.of_images(images), rule, description=description)


def reject_weights_and_keys(description: str, weights: object, by: object) -> None:
    """Refuse weights and keys: pixels have no order that either could follow.

    Raises
    ------
    DataError
        When there is one of them.
    """
    if weights is not None:
        raise DataError(
            "Images have no weights: each pixel counts once. "
            f"Received: weights= for {description}. "
            "To weigh whole sets of images, fit them apart, and see docs/images.md."
        )
    if by is not None:
        raise DataError(
            "Images have no groups: they have no columns of keys. "
            f"Received: by= for {description}. "
            "Fit the images of each group apart: one folder or pattern a group."
        )
