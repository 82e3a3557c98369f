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
from evenly.sources.images.batch_buffer import Room, Run, Shot
from evenly.sources.images.decode import UnreadableError, decode, pillow
from evenly.sources.images.image_file import Picture, Reader, content_of
from evenly.sources.images.jpeg import Header, decode_into, decoder, quick_header
from evenly.sources.images.pixels import COLOURS, GREY, check_mode, columns, pixels
from evenly.sources.images.scan import Listing
from evenly.sources.images.summary import Tally, passed_over
from evenly.sources.selection import NUMBER, Choice, Field, plan
from evenly.system.errors import system_error

_log = logging.getLogger("evenly")


@dataclass(slots=True)
class Rule:
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

    choice: Choice
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
                f"Images in batches must all have one depth. Received: {block.place} of {dtype}, "
                f"after others of {self.depth}. Pass a list, a folder or an archive of them."
            )


_TOGETHER = 16
"""Images of a task at most: threads seldom ask for the next. Those of an archive are held."""

_READ_TOGETHER = 1 << 20
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
        each: Callable[[], Iterable[Picture]],
        rule: Rule,
        *,
        description: str,
        nbytes: Callable[[], int | None] = lambda: None,
        passed_over: Any = None,
        counted: Callable[[Picture, int], object] | None = None,
    ) -> None:
        check_alike(description, rule.choice.weights, rule.choice.by or None)
        self._pillow = pillow()
        self._decoder = decoder()
        self._reader = Reader()
        self._room = Room()
        self._together = 1  # images of the next task
        self._each = each
        self._rule = rule
        self._nbytes = nbytes
        self._passed_over = {} if passed_over is None else passed_over
        self._counted = counted
        self.description = description
        self.left_out: dict[str, str] = {}
        self.tally = Tally()
        known = {"RGB": COLOURS, "L": GREY}.get(rule.mode)
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
        return plan(self._rule.choice, fields, self.description).names

    def tasks(self) -> Generator[Iterable[Shot]]:
        """Yield tasks of some images each, one after the other."""
        for same in _by_archive(self._each()):
            while some := list(islice(same, self._together)):
                yield self._shots(some)

    def blocks(self) -> Generator[Block]:
        """Yield the images one after the other, in one depth.

        It is the way of images within other batches. `evenly.fit` takes `tasks`.

        Raises
        ------
        DataError
            When images of 8 and of 16 bits come together.
        """
        for picture in self._each():
            for shot in self._shots([picture]):
                block = self._named(shot)
                self._rule.check_depth(block)
                yield block
        for doubt in self.tally.doubts():
            _log.warning("%s: %s", printable(self.description), printable(doubt))

    def remarks(self) -> list[str]:
        """Return what there is to say when all has been read, a sentence a line."""
        grey, images = self.tally.grey(), self.tally.images
        lines = [f"{images:,} image{'s' * (images != 1)}, a row a pixel"]
        lines += [*self.tally.doubts(), *passed_over(self._passed_over)]
        if self.mode == "RGB" and grey:
            which = "all images" if grey == images else f"{grey:,} of {images:,} images"
            alone = "; mode='L' makes it one column" if grey == images else ""
            lines.append(f"grey: {which}, counted in each column{alone}")
        return lines

    def _named(self, shot: Shot) -> Block:
        names, places = columns(shot.kind, self.mode)
        chosen = self.chosen(names)
        bands = shot.array.reshape(len(shot.array), -1)
        order = [places[names.index(name)] for name in chosen]
        return replace(shot.block(), names=chosen, data=np.ascontiguousarray(bands[:, order]))

    def _shots(self, image_file: Iterable[Picture]) -> Iterator[Shot]:
        """Yield the images that can be read; those that lie together in memory as one."""
        run, decoder, mode = Run(self._room), self._decoder, self.mode
        for read in self._read(image_file):
            most = self._pillow.MAX_IMAGE_PIXELS
            headers = [quick_header(decoder, content, mode, most) for _, content in read]
            for (picture, content), header in zip(read, headers, strict=True):
                try:
                    yield from self._decoded(run, picture, content, header)
                except SourceError:
                    raise
                except (MemoryError, OSError) as error:
                    raise system_error(picture.place, error) from None
        yield from self._taken(run)

    def _decoded(
        self, run: Run, picture: Picture, content: Any, header: Header | None
    ) -> Iterator[Shot]:
        """Decode an image into the run; what does not fit in there is yielded."""
        nbytes = len(content) if picture.nbytes is None else picture.nbytes
        if header is not None:
            memory = run.memory(header.kind, header.nbytes, picture.archive)
            if memory is None:
                yield from self._taken(run)
                memory = run.memory(header.kind, header.nbytes, picture.archive)
            if decode_into(self._decoder, content, header, memory):
                run.add(header.kind, header.nbytes, picture, nbytes)
                return
        yield from self._taken(run)
        yield from self._by_pillow(picture, content, nbytes)

    def _read(self, image_file: Iterable[Picture]) -> Iterator[list[tuple[Picture, Any]]]:
        """Yield the pictures that can be opened with what they read, small files together.

        After each decoding Python's own code and objects are out of the cache. So some files are
        read, then their headers, and then they are decoded: a twentieth less of a fit's time.
        """
        some: list[tuple[Picture, Any]] = []
        nbytes = 0
        for picture in image_file:
            try:
                content = self._reader.read(content_of, picture)
            except UnreadableError as reason:
                yield some  # of several that are broken, the first is named
                some, nbytes = [], 0
                self._refuse(picture.place, str(reason))
                continue
            some.append((picture, content))
            nbytes += len(content) if isinstance(content, bytes) else 0
            self._together = max(1, min(_TOGETHER, len(some) * _READ_TOGETHER // (nbytes + 1)))
            if nbytes >= _READ_TOGETHER:
                yield some
                some, nbytes = [], 0
        yield some

    def _taken(self, run: Run) -> Iterator[Shot]:
        """Yield the images of a run as one, if there are any, and count them."""
        if run.pictures:
            self.tally.count(run.kind, len(run.pictures))
            if self._counted is not None:
                for picture, rows in run.pictures:
                    self._counted(picture, rows)
            yield run.take()

    def _by_pillow(self, picture: Picture, content: Any, nbytes: int) -> Iterator[Shot]:
        """Yield what a file's bytes are, or Pillow's image, if Pillow can read it; and count it."""
        try:
            decoded = decode(self._pillow, content)
            kind, array = pixels(decoded.image, self.mode)
        except UnreadableError as reason:
            self._refuse(picture.place, str(reason))
            return
        self.tally.count(kind, several=decoded.several, cut=decoded.cut)
        if self._counted is not None:
            self._counted(picture, len(array))
        yield Shot(kind, array, picture.place, nbytes, picture.archive)

    def _refuse(self, place: str, reason: str) -> None:
        if self._rule.broken == "error":
            raise SourceError(
                f"Every image must be readable. Received: {place}: {reason}. Mend it or remove it, "
                "or pass broken='skip' to leave out, count and name what cannot be read."
            )
        self.tally.skip(place, reason)


def _by_archive(each: Iterable[Picture]) -> Iterator[Iterator[Picture]]:
    """Yield the pictures of an archive at a time, and all between two archives.

    An archive is open for as long as one of its pictures is left: those of a task are of one.
    """
    return (same for _, same in groupby(each, lambda picture: picture.archive))


def files_source(sources: Sequence[Any], rule: Rule, known: Any = None) -> ImageSource:
    """Return the images in files, folders, patterns and archives as a source.

    Parameters
    ----------
    known
        An `Album` of these files, some of which were read before: only the rest are read.

    Raises
    ------
    SourceError
        When there are tables among them.
    MissingExtraError
        When Pillow is not installed.
    """
    if known is not None:
        return ImageSource(
            known.pictures,
            rule,
            description=known.listing.description,
            nbytes=known.nbytes,
            passed_over=known.listing.passed_over,
            counted=known.count,
        )
    listing = Listing(sources)
    return ImageSource(
        listing.pictures,
        rule,
        description=listing.description,
        nbytes=listing.nbytes,
        passed_over=listing.passed_over,
    )


def memory_source(images: Iterable[Any], rule: Rule, description: str) -> ImageSource:
    """Return images of Pillow's as a source."""
    return ImageSource(lambda: image_file.of_images(images), rule, description=description)


def check_alike(description: str, weights: object, by: object) -> None:
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
