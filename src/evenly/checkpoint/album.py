"""Which images are in the sums: each file apart, of an archive those up to a place in it."""

import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from evenly.checkpoint.comparison import Comparison
from evenly.sources.images import Listing, Picture, is_archive, pictures_in
from evenly.statistics_file import FileRecord


class Album:
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
    """

    def __init__(self, rest: Comparison, listing: Listing) -> None:
        self.listing = listing
        self._nbytes = rest.nbytes
        self._files = dict(zip(rest.paths, rest.files, strict=True))
        self._lock = threading.Lock()
        self._rows: Counter[str] = Counter()  # by file, of those not yet told
        self._ended: list[str] = []  # archives, not yet told either

    def nbytes(self) -> int | None:
        """Return the bytes of all that is to be read; None when unknown."""
        return self._nbytes

    def pictures(self) -> Iterator[Picture]:
        """Yield the images that are not in the sums, and those that could not be read before."""
        for path, file in self._files.items():
            pictures = pictures_in(path, self.listing.passed_over)
            if not is_archive(path):
                yield from pictures
                continue
            for number, picture in enumerate(islice(pictures, file.members, None), file.members):
                self._note(path, members=number + 1)
                yield picture
            self._note(path, members=0, complete=True)
            self._ended.append(path)

    def _note(self, path: str, **changes: Any) -> None:
        self._files[path] = self._files[path]._replace(**changes)

    def count(self, picture: Picture, rows: int) -> None:
        """Note that an image is being summed."""
        with self._lock:
            self._rows[picture.file] += rows

    @property
    def finished(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._rows and not self._ended

    def finish(self) -> None:
        """Note that there are no more: of images nothing waits for that."""

    def read(self) -> Iterator[FileRecord]:
        """Yield the files that were read since the last time; of an archive maybe a part."""
        for path, rows in self._rows.items():
            file = self._files[path]
            complete = file.complete or not is_archive(path)
            self._note(path, rows=file.rows + rows, complete=complete)
        yield from (self._files[path] for path in {*self._rows, *self._ended})
        self._rows.clear()
        self._ended.clear()
