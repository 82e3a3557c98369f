"""Scan files, folders, patterns and URLs once, and decide whether they are images or tables.

A list of ten million paths takes gigabytes. So only some of the images are kept; if there are more,
they are searched for each time. Because sums are exact, the order of images does not matter, and
they are read in the order of the file system.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Literal

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.braces import expand_braces
from evenly.sources.files.file_ref import FileRef, is_archive
from evenly.sources.files.filesystems import size_of
from evenly.sources.files.locate import NoFilesError, find_files, no_files_error
from evenly.sources.files.partitions import find_partitions
from evenly.sources.images.archives import iter_archive, zip_contains_images
from evenly.sources.images.image_file import ImageFile, from_path

_TABLES = ("table", "store", "database")
_ARCHIVES = ("tar", "zip")
_WANTED = ("image", *_ARCHIVES)

_MAX_CACHED = 1 << 16
"""Maximum number of files that a scan keeps if they are images."""


class FileScan:
    """The files of some paths, folders, patterns and URLs; each folder is listed once.

    Parameters
    ----------
    allow_empty
        Whether a pattern may match no file, and a folder may have no data files.

    Attributes
    ----------
    sources
        The paths as given, with numbers in braces expanded, without those that are empty.
    empty
        The errors for the sources that are empty.
    counts
        The number of images and archives, and of tables.
    first
        The path of the first image or archive, and of the first table.
    skipped
        The number of other files by suffix, counted while the images are read.

    Raises
    ------
    SourceError
        For a source without files.
    """

    def __init__(
        self, sources: Sequence[str | os.PathLike[str]], *, allow_empty: bool = False
    ) -> None:
        self.sources = tuple(path for x in sources for path in expand_braces(os.fspath(x)))
        self.empty: dict[str, NoFilesError] = {}
        self.counts = {"image": 0, "table": 0}
        self.first: dict[str, str] = {}
        self.skipped: Counter[str] = Counter()
        self._decisive: FileRef | None = None  # the first image, else the first file
        self._tables: list[list[FileRef]] = []  # of each source
        self._cached = self._list(allow_empty)
        self.sources = tuple(source for source in self.sources if source not in self.empty)

    @property
    def files(self) -> int:
        """The number of images and archives."""
        return self.counts["image"]

    @cached_property
    def has_images(self) -> bool:
        """Whether there is an image; opens a zip archive only if no other file decides."""
        if self._decisive is None:
            return False
        if self._decisive.kind == "zip":
            return zip_contains_images(self._decisive.path)
        return self._decisive.kind in ("image", "tar")

    def decide(self) -> Literal["images", "tables"]:
        """Return whether the files are images or tables.

        Raises
        ------
        SourceError
            If there are both images and tables.
        """
        if not self.has_images:
            return "tables"
        if self.counts["table"]:
            raise _mixed_error(self.counts, self.first)
        return "images"

    def tables(self) -> list[FileRef]:
        """Return the files with tables and arrays, sorted within each source.

        Raises
        ------
        SourceError
            For a source without such a file.
        """
        for source, files in zip(self.sources, self._tables, strict=True):
            if not files:
                raise no_files_error(source)
        in_folders = [[file for file in files if file.kind != "database"] for files in self._tables]
        paths = [[file.path for file in files] for files in in_folders]
        partitions = find_partitions(zip(self.sources, paths, strict=True))
        return [
            file._replace(partition=partitions.of(file.path))
            if partitions and file.kind != "database"
            else file
            for files in self._tables
            for file in files
        ]

    def images(self) -> Iterator[FileRef]:
        """Yield the images and archives; count other files by suffix in `skipped`."""
        for file in self._all():
            if file.kind in _WANTED or file.named:
                yield file
            else:
                self.skipped[file.suffix or "no suffix"] += 1

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the images in all files and archives."""
        for file in self.images():
            if file.kind in _ARCHIVES:
                yield from iter_archive(file.path, self.skipped)
            else:
                yield from_path(file.path)

    def is_archive(self, path: str) -> bool:
        """Return whether a file holds several images."""
        return is_archive(path)

    def members(self, path: str, first: int) -> Iterator[ImageFile]:
        """Yield the images in an archive, always in the same order, without the first ones."""
        return islice(iter_archive(path, self.skipped, check=False), first, None)

    def _all(self) -> Iterable[FileRef]:
        if self._cached is not None:
            return self._cached
        return (file for source in self.sources for file in find_files(source))

    def _list(self, allow_empty: bool) -> list[FileRef] | None:
        """Count the files of all sources; return them if there are few enough to cache."""
        cached: list[FileRef] = []
        for source in self.sources:
            try:
                self._tables.append(self._list_source(source, cached))
            except NoFilesError as error:
                if not allow_empty:
                    raise
                self.empty[source] = error
        return cached if len(cached) <= _MAX_CACHED else None

    def _list_source(self, source: str, cached: list[FileRef]) -> list[FileRef]:
        """Count the files of a source, add them to the cache, and return the tables."""
        before = sum(self.counts.values())
        tables = []
        for file in find_files(source):
            self._count(file)
            if len(cached) <= _MAX_CACHED:
                cached.append(file)
            if file.is_table:
                tables.append(file)
        if not tables and sum(self.counts.values()) == before:
            raise no_files_error(source)
        return sorted(tables, key=lambda file: file.path)

    def _count(self, file: FileRef) -> None:
        if _is_counted(file) or file.kind in _TABLES:
            kind = "table" if file.kind in _TABLES else "image"
            self.counts[kind] += 1
            self.first.setdefault(kind, file.path)
        if self._decides(file):
            self._decisive = file

    def _decides(self, file: FileRef) -> bool:
        if self._decisive is None:
            return file.kind in (*_WANTED, *_TABLES)
        return self._decisive.kind in (*_TABLES, "zip") and file.kind in ("image", "tar")

    @property
    def description(self) -> str:
        """A short description of the images."""
        first = redact_url(self.sources[0] if len(self.sources) == 1 else self.first["image"])
        several = len(self.sources) > 1 and self.files > 1
        return f"{first} and {self.files - 1} more" if several else first

    def nbytes(self) -> int | None:
        """Return the total size of all images and archives in bytes; None if unknown.

        This is slow, because each file's status is read. Call it only to show a progress bar.
        """
        total = 0
        for file in filter(_is_counted, self._all()):
            with contextlib.suppress(SourceError):  # a dangling link is skipped later
                size = size_of(file)
                if size is None:
                    return None
                total += size
        return total


def _is_counted(file: FileRef) -> bool:
    return file.kind in _WANTED or (file.named and file.kind == "other")


def _mixed_error(counts: dict[str, int], first: dict[str, str]) -> SourceError:
    image, table = redact_url(first["image"]), redact_url(first["table"])
    return SourceError(
        "A fit reads either images or tables, not both. Received: "
        f"{counts['image']:,} images or archives such as {image!r}, and {counts['table']:,} tables "
        f"such as {table!r}. Choose with a pattern, such as "
        f"'{_pattern(image)}' or '{_pattern(table)}'."
    )


def _pattern(path: str) -> str:
    """Return a pattern for files with the same suffix in the same folder.

    >>> _pattern("photos/cats/1.jpg")
    'photos/cats/*.jpg'
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, f"*{os.path.splitext(name)[1]}")
