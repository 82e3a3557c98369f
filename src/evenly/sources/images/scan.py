"""Find image files lazily; the list of files is kept in memory only if it is short.

A list of ten million paths takes gigabytes. Because sums are exact, the order does not matter, so
files are read in the order of the file system.
"""

import contextlib
import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.locate import (
    exists,
    expand,
    expand_url,
    is_data_file,
    is_hidden_image,
    is_image_file,
    is_tar,
    is_url,
    name_of,
    size_of,
    suffixes_of,
)
from evenly.sources.files.search import Entry, Search
from evenly.sources.images.archives import iter_tar, iter_zip, zip_contains_images
from evenly.sources.images.image_file import ImageFile, from_path
from evenly.sources.sql.url import is_database

IMAGE, TAR, ZIP, TABLE, OTHER = "image", "tar", "zip", "table", "other"
_ARCHIVES = TAR, ZIP
_WANTED = IMAGE, *_ARCHIVES

_MAX_CACHED = 1 << 16
"""Maximum number of files that a scan keeps; more files are searched for each time."""


def scan(source: str | os.PathLike[str]) -> Iterator[Entry]:
    """Yield the files that a path, a pattern, a folder or a URL stands for.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    text = os.fspath(source)
    search = Search(is_hidden=_is_hidden, file_kind=file_kind)
    if is_database(text):
        yield Entry(text, TABLE, True)
    elif is_url(text):
        yield from (Entry(path, file_kind(path), False) for path in expand_url(text, _is_wanted))
    elif os.path.isdir(text):
        yield from search.below([text])
    elif exists(text) or os.path.islink(text):  # a dangling link is a broken image
        yield Entry(text, file_kind(text), True)
    else:
        file = None
        for file in search.matching(text) if glob.has_magic(text) else ():
            yield file
        if file is None:
            expand(text)  # raises the error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_wanted(path: str) -> bool:
    return is_data_file(path) or is_tar(path) or (is_image_file(path) and not is_hidden_image(path))


def file_kind(path: str) -> str:
    """Return the type of a file by its suffix.

    >>> [file_kind(name) for name in ("cat.JPG", "shard-000.tar.gz", "flights.csv", "cat.json")]
    ['image', 'tar', 'table', 'other']
    """
    name = name_of(path)
    if is_image_file(name):
        return IMAGE
    if is_tar(name):
        return TAR
    if name.lower().endswith(".zip"):
        return ZIP
    return TABLE if is_data_file(os.path.basename(name)) else OTHER


def is_archive(path: str) -> bool:
    """Return whether a file is an archive of images, by its suffix."""
    return file_kind(path) in _ARCHIVES


def iter_images(path: str, skipped: "Counter[str]", check: bool = True) -> Iterator[ImageFile]:
    """Yield the image in a file, or the images in an archive, always in the same order.

    Parameters
    ----------
    path
        Path or URL of the file.
    skipped
        Counter of the other members of an archive by suffix.
    check
        Whether to raise an error if an archive changes while it is read.
    """
    kind = file_kind(path)
    if kind == TAR:
        yield from iter_tar(path, skipped, check)
    elif kind == ZIP:
        yield from iter_zip(path, skipped, check)
    else:
        yield from_path(path)


def scan_images(sources: Sequence[str | os.PathLike[str]]) -> "ImageScan | None":
    """Return the images in some files, folders, patterns or archives; None if there are none.

    Each folder is listed once. A zip archive, which can also hold tables, is opened only if no
    other file decides.

    Raises
    ------
    SourceError
        If there are both images and tables, or a source without files.
    """
    scan = ImageScan(sources)
    if not scan.has_images:
        return None
    if scan.counts[TABLE]:
        raise _mixed_error(scan.counts, scan.first)
    return scan


class ImageScan:
    """The images and archives in some files, folders and patterns.

    Attributes
    ----------
    counts
        The number of images and archives, and of tables.
    first
        The path of the first image or archive, and of the first table.
    skipped
        The number of other files by suffix, counted while the images are read.
    """

    def __init__(self, sources: Sequence[str | os.PathLike[str]]) -> None:
        self.sources = tuple(os.fspath(source) for source in sources)
        self.counts = {IMAGE: 0, TABLE: 0}
        self.first: dict[str, str] = {}
        self.skipped: Counter[str] = Counter()
        self._decisive: Entry | None = None  # the first image, else the first file
        self._cached = self._list()

    @property
    def files(self) -> int:
        """The number of images and archives."""
        return self.counts[IMAGE]

    @property
    def has_images(self) -> bool:
        """Whether there is an image; opens a zip archive only if no other file decides."""
        if self._decisive is None:
            return False
        if self._decisive.kind == ZIP:
            return zip_contains_images(self._decisive.path)
        return self._decisive.kind in (IMAGE, TAR)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the images and archives; count other files by suffix in `skipped`."""
        for file in self._all():
            if file.kind in _WANTED or file.named:
                yield file
            else:
                self.skipped[suffixes_of(file.path)[0] or "no suffix"] += 1

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the images in all files and archives."""
        for file in self:
            if file.kind in _ARCHIVES:
                yield from iter_images(file.path, self.skipped)
            else:
                yield from_path(file.path)

    def _all(self) -> Iterable[Entry]:
        if self._cached is not None:
            return self._cached
        return (file for source in self.sources for file in scan(source))

    def _list(self) -> list[Entry] | None:
        """Count the files of all sources; return them if there are few enough to cache."""
        entries: list[Entry] = []
        for source in self.sources:
            before = sum(self.counts.values())
            for file in scan(source):
                if len(entries) <= _MAX_CACHED:
                    entries.append(file)
                if _is_counted(file) or file.kind == TABLE:
                    kind = TABLE if file.kind == TABLE else IMAGE
                    self.counts[kind] += 1
                    self.first.setdefault(kind, file.path)
                if self._decides(file):
                    self._decisive = file
            if sum(self.counts.values()) == before:
                expand(source)  # raises the error for a source without files
        return entries if len(entries) <= _MAX_CACHED else None

    def _decides(self, file: Entry) -> bool:
        if self._decisive is None:
            return file.kind in (IMAGE, TAR, TABLE, ZIP)
        return self._decisive.kind in (TABLE, ZIP) and file.kind in (IMAGE, TAR)

    @property
    def description(self) -> str:
        """A short description of the sources."""
        first = redact_url(self.sources[0] if len(self.sources) == 1 else self.first[IMAGE])
        several = len(self.sources) > 1 and self.files > 1
        return f"{first} and {self.files - 1} more" if several else first

    def nbytes(self) -> int | None:
        """Return the total size of all files in bytes; None if unknown.

        This is slow, because each file's status is read once more. Call it only to show a
        progress bar.
        """
        total = 0
        for file in filter(_is_counted, self._all()):
            with contextlib.suppress(SourceError):  # a dangling link is skipped later
                size = size_of(file.path)
                if size is None:
                    return None
                total += size
        return total


def _is_counted(file: Entry) -> bool:
    return file.kind in _WANTED or (file.named and file.kind == OTHER)


def _mixed_error(counts: dict[str, int], first: dict[str, str]) -> SourceError:
    image, table = redact_url(first[IMAGE]), redact_url(first[TABLE])
    return SourceError(
        "A fit reads either images or tables, not both. Received: "
        f"{counts[IMAGE]:,} images or archives such as {image!r}, and {counts[TABLE]:,} tables "
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
