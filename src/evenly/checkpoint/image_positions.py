"""Which images are in the sums: each file apart, of an archive those up to a place in it."""

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from evenly.checkpoint.diff import FileDiff
from evenly.checkpoint.errors import Change, changed_error
from evenly.sources.files.fingerprint import Watch
from evenly.sources.files.locate import is_url
from evenly.sources.images import ImageFile, ImageScan, is_archive, iter_images
from evenly.sources.images.image_file import read_file
from evenly.statistics_file import FileRecord


class ImagePositions:
    """Gives the images that are still to be read, and knows which of them were counted.

    Threads count them in no order. So it may be asked what was read only when they have done
    all that was given: then the images of an archive that were read are the first ones. A
    broken image is in no sum, and is not noted: it is tried, and named, each time.

    Parameters
    ----------
    rest
        The files that are to be read, and what the ledger has of each.
    listing
        What they were found by.
    checkpoint
        For messages.

    Attributes
    ----------
    changed
        By path, the archives that changed while they were read. (Another image that does so is
        broken.)
    """

    def __init__(self, rest: FileDiff, listing: ImageScan, checkpoint: str) -> None:
        self.listing = listing
        self.changed: dict[str, Change] = {}
        self._checkpoint = checkpoint
        self._watch = Watch()
        self._nbytes = rest.nbytes
        self._files = dict(zip(rest.paths, rest.files, strict=True))
        self._lock = threading.Lock()
        self._rows: Counter[str] = Counter()  # by file, of those not yet told
        self._ended: list[str] = []  # archives, not yet told either
        self._begun: set[str] = set()  # archives of which some was told, and not all
        self._resumed: set[str] = set()  # archives of which some was read in an earlier run

    def nbytes(self) -> int | None:
        """Return the bytes of all that is to be read; None when unknown."""
        return self._nbytes

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the images that are not in the sums, and those that could not be read before."""
        for path, file in self._files.items():
            if is_archive(path):
                self._open(path)
            pictures = iter_images(path, self.listing.passed_over, check=False)
            if not is_archive(path):
                read = partial(self._read, path)
                yield from pictures if is_url(path) else (p._replace(read=read) for p in pictures)
                continue
            for number, picture in enumerate(islice(pictures, file.members, None), file.members):
                self._note(path, members=number + 1)
                yield picture
            self._note(path, members=0, complete=True)
            self._ended.append(path)

    def _open(self, path: str) -> None:
        """Note what an archive is when it is opened.

        Raises
        ------
        SourceError
            When some of its images are in the sums since an earlier run, and it has changed.
        """
        self._watch.open(path)
        file, stamp = self._files[path], self._watch.opened(path)
        assert stamp is not None
        if file.members and stamp != (file.bytes, file.modified):
            raise changed_error(path, file, stamp, self._checkpoint)
        if file.members:
            self._resumed.add(path)
        self._note(path, bytes=stamp.bytes, modified=stamp.modified)

    def _read(self, path: str) -> bytes:
        """Return an image file's bytes; what the ledger has of it is what was read."""
        content, stamp = read_file(path)
        self._note(path, bytes=stamp.bytes, modified=stamp.modified)
        return content

    def _note(self, path: str, **changes: Any) -> None:
        self._files[path] = self._files[path]._replace(**changes)

    def count(self, picture: ImageFile, rows: int) -> None:
        """Note that an image is being summed."""
        with self._lock:
            self._rows[picture.file] += rows

    @property
    def finished(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._rows and not self._ended

    def finish(self) -> None:
        """Note that there are no more: of images nothing waits for that."""

    def settle(self) -> list[str]:
        """Note which archives have changed; return those of which more is to be read.

        Raises
        ------
        SourceError
            When some of its images are in the sums since an earlier run.
        """
        for path in {*self._rows, *self._ended, *self._begun} - self.changed.keys():
            now = self._watch.changed(path)
            if now is not None and path in self._resumed:
                raise changed_error(path, self._files[path], now, self._checkpoint)
            if now is not None:
                self.changed[path] = Change(self._files[path], now)
        self._begun |= {path for path in self._rows if is_archive(path)}
        self._begun -= {*self._ended, *self.changed}
        return list(self._begun)

    def read(self) -> Iterator[FileRecord]:
        """Yield the files that were read since the last time; of an archive maybe a part."""
        for path, rows in self._rows.items():
            file = self._files[path]
            complete = file.complete or not is_archive(path)
            self._note(path, rows=file.rows + rows, complete=complete)
        read = {*self._rows, *self._ended} - self.changed.keys()
        yield from (self._files[path] for path in read)
        self._rows.clear()
        self._ended.clear()
