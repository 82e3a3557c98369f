"""The read position of a fit of images: the files, and the images in archives and tables."""

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TypedDict, Unpack

from evenly.checkpoint.diff import FileDiff
from evenly.checkpoint.errors import Change, changed_error
from evenly.sources.files.digest import content_digest, file_digest
from evenly.sources.files.fingerprint import Watch
from evenly.sources.images.image_file import ImageFile, from_path, read_file
from evenly.sources.images.remaining import ImageContainer
from evenly.sources.urls import is_url
from evenly.statistics_file import FileRecord


class _Changes(TypedDict, total=False):
    """Fields of a `FileRecord` that change while its file is read."""

    bytes: int | None
    modified: int | str | None
    rows: int
    complete: bool
    members: int
    digest: str | None


class ImagePositions:
    """Yield the images that remain to be read, and track which of them were counted.

    Threads count images in any order. `records` may be called only when they have counted all
    images that were yielded: then the images of an archive that were read are its first ones. A
    broken image is not included and not recorded: it is tried, and named, in each run.

    Parameters
    ----------
    diff
        The files to read, and their records in the manifest.
    container
        Reads the files with several images.
    checkpoint
        The path of the checkpoint, for messages.
    digests
        Whether the records of completely read files have digests.

    Attributes
    ----------
    changed
        By path, the archives that changed while they were read. (An image file that changes is
        broken.)
    """

    def __init__(
        self, diff: FileDiff, container: ImageContainer, checkpoint: str, *, digests: bool = False
    ) -> None:
        self._container = container
        self.changed: dict[str, Change] = {}
        self._checkpoint = checkpoint
        self._digests = digests
        self._watch = Watch()
        self._nbytes = diff.nbytes
        self._files = dict(zip(diff.paths, diff.files, strict=True))
        self._lock = threading.Lock()
        self._rows: Counter[str] = Counter()  # by file, since the last `records`
        self._ended: list[str] = []  # archives, since the last `records`
        self._open: set[str] = set()  # archives that `records` has returned as incomplete
        self._resumed: set[str] = set()  # archives that were partly read in an earlier run

    def nbytes(self) -> int | None:
        """Return the size of all files to read; None when unknown."""
        return self._nbytes

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the images that are not included, and those that could not be read before."""
        for path, file in self._files.items():
            if self._container.is_archive(path):
                yield from self._archived_images(path, file.members)
                continue
            image = from_path(path)
            read = image.read if is_url(path) else partial(self._read_image, path)
            yield image._replace(read=read)

    def _archived_images(self, path: str, members: int) -> Iterator[ImageFile]:
        """Yield the images in an archive after the members that are included."""
        self._open_archive(path)
        for number, image in enumerate(self._container.members(path, members), members):
            self._update_record(path, members=number + 1)
            yield image
        self._update_record(path, members=0, complete=True)
        self._ended.append(path)

    def _open_archive(self, path: str) -> None:
        """Record the fingerprint of an archive before it is opened.

        Raises
        ------
        SourceError
            When the archive has changed since an earlier run that read some of its images.
        """
        self._watch.open(path)
        file, opened = self._files[path], self._watch.opened(path)
        assert opened is not None
        if file.members and opened != (file.bytes, file.modified):
            raise changed_error(path, file, opened, self._checkpoint)
        if file.members:
            self._resumed.add(path)
        self._update_record(path, bytes=opened.bytes, modified=opened.modified)

    def _read_image(self, path: str) -> bytes:
        """Return the content of an image file, and record its fingerprint."""
        content, now = read_file(path)
        digest = content_digest(content) if self._digests else None
        self._update_record(path, bytes=now.bytes, modified=now.modified, digest=digest)
        return content

    def _update_record(self, path: str, **changes: Unpack[_Changes]) -> None:
        self._files[path] = self._files[path]._replace(**changes)

    def count(self, image: ImageFile, rows: int) -> None:
        """Record that an image is being summed."""
        with self._lock:
            self._rows[image.file] += rows

    @property
    def finished(self) -> bool:
        """Whether no image was counted and no archive has ended since the last `records`."""
        return not self._rows and not self._ended

    def finish(self) -> None:
        """Do nothing: images need no action after the last one."""

    def finish_files(self) -> list[str]:
        """Record which archives have changed; return those that are not read completely.

        Raises
        ------
        SourceError
            When an archive has changed that was partly read in an earlier run.
        """
        for path in self._ended if self._digests else ():
            self._update_record(path, digest=file_digest(path))
        for path in {*self._rows, *self._ended, *self._open} - self.changed.keys():
            now = self._watch.changed(path)
            if now is not None and path in self._resumed:
                raise changed_error(path, self._files[path], now, self._checkpoint)
            if now is not None:
                self.changed[path] = Change(self._files[path], now)
        self._open |= {path for path in self._rows if self._container.is_archive(path)}
        self._open -= {*self._ended, *self.changed}
        return list(self._open)

    def records(self) -> Iterator[FileRecord]:
        """Yield the records of the files that were read, or partly read, since the last call."""
        for path, rows in self._rows.items():
            file = self._files[path]
            complete = file.complete or not self._container.is_archive(path)
            self._update_record(path, rows=file.rows + rows, complete=complete)
        read = {*self._rows, *self._ended} - self.changed.keys()
        yield from (self._files[path] for path in read)
        self._rows.clear()
        self._ended.clear()
