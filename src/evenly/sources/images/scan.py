"""Which files are images: found as they are asked for, and held only when they are few.

Ten million paths in a list are gigabytes, and no order is needed: sums are exact. So the
files come in the order in which the file system gives them.
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
from evenly.sources.images.image_file import ImageFile, of_file
from evenly.sources.sql.url import is_database

IMAGE, TAR, ZIP, TABLE, OTHER = "image", "tar", "zip", "table", "other"
_ARCHIVES = TAR, ZIP
_WANTED = IMAGE, *_ARCHIVES

_HELD = 1 << 16
"""Files that a listing holds, of up to some hundred bytes; more are looked up each time."""


def scan(source: str | os.PathLike[str]) -> Iterator[Entry]:
    """Yield the files that a path, a pattern, a folder or a URL stands for.

    Raises
    ------
    SourceError
        When there is none.
    """
    text = os.fspath(source)
    search = Search(hidden=_is_hidden, kind_of=file_kind)
    if is_database(text):
        yield Entry(text, TABLE, True)
    elif is_url(text):
        yield from (Entry(path, file_kind(path), False) for path in expand_url(text, _is_wanted))
    elif os.path.isdir(text):
        yield from search.below([text])
    elif exists(text) or os.path.islink(text):  # a link that leads nowhere is a broken image
        yield Entry(text, file_kind(text), True)
    else:
        file = None
        for file in search.matching(text) if glob.has_magic(text) else ():
            yield file
        if file is None:
            expand(text)  # says what is wrong


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_wanted(path: str) -> bool:
    return is_data_file(path) or is_tar(path) or (is_image_file(path) and not is_hidden_image(path))


def file_kind(path: str) -> str:
    """Return what a file is by its suffix.

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
    """Whether a file that is read for its images may have several of them."""
    return file_kind(path) in _ARCHIVES


def iter_images(path: str, passed_over: "Counter[str]", check: bool = True) -> Iterator[ImageFile]:
    """Yield the picture that a file is, or those in an archive, always in the same order.

    Parameters
    ----------
    check
        Whether to raise an error when an archive changes while it is read.
    """
    what = file_kind(path)
    if what == TAR:
        yield from iter_tar(path, passed_over, check)
    elif what == ZIP:
        yield from iter_zip(path, passed_over, check)
    else:
        yield of_file(path)


def contains_images(sources: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether there is an image in some files, folders, patterns or archives.

    It looks no further than the first one. A zip archive is looked into when nothing else
    decides: it may hold tables.
    """
    first = ""
    for file in (file for source in sources for file in scan(source)):
        if file.kind in (IMAGE, TAR):
            return True
        if not first and file.kind in (TABLE, ZIP):
            first = file.path
    return file_kind(first) == ZIP and zip_contains_images(first)


class ImageScan:
    """The images and archives in some files, folders and patterns.

    Raises
    ------
    SourceError
        When there are tables among them: neither is obviously meant.
    """

    def __init__(self, sources: Sequence[str | os.PathLike[str]]) -> None:
        self.sources = tuple(os.fspath(source) for source in sources)
        self._cached: list[Entry] | None = None
        self.files, self._first = self._count()
        self.passed_over: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Entry]:
        """Yield them; what is none of them is counted by its suffix in `passed_over`."""
        for file in self._all():
            if file.kind in _WANTED or file.named:
                yield file
            else:
                self.passed_over[suffixes_of(file.path)[0] or "no suffix"] += 1

    def image_files(self) -> Iterator[ImageFile]:
        """Yield the pictures that they are, and those in the archives."""
        for file in self:
            if file.kind in _ARCHIVES:
                yield from iter_images(file.path, self.passed_over)
            else:
                yield of_file(file.path)

    def _all(self) -> Iterable[Entry]:
        if self._cached is not None:
            return self._cached
        return (file for source in self.sources for file in scan(source))

    def _count(self) -> tuple[int, str]:
        """Return the number of images and archives, and the first; hold all, if they are few."""
        held: list[Entry] = []
        number = {IMAGE: 0, TABLE: 0}
        first: dict[str, str] = {}
        for source in self.sources:
            before = sum(number.values())
            for file in scan(source):
                if len(held) <= _HELD:
                    held.append(file)
                if _counts(file) or file.kind == TABLE:
                    what = TABLE if file.kind == TABLE else IMAGE
                    number[what] += 1
                    first.setdefault(what, file.path)
            if sum(number.values()) == before:
                expand(source)  # says that this one has nothing
        if number[TABLE]:
            raise _mixed(number, first)
        self._cached = held if len(held) <= _HELD else None
        return number[IMAGE], first[IMAGE]

    @property
    def description(self) -> str:
        """What was asked for, in words."""
        first = redact_url(self.sources[0] if len(self.sources) == 1 else self._first)
        several = len(self.sources) > 1 and self.files > 1
        return f"{first} and {self.files - 1} more" if several else first

    def nbytes(self) -> int | None:
        """Return the bytes of all files; None when they are not known.

        The files are looked up once more, which is a good part of what opening them costs:
        so only who shows a progress bar should ask.
        """
        total = 0
        for file in filter(_counts, self._all()):
            with contextlib.suppress(SourceError):  # a link that leads nowhere is skipped later
                size = size_of(file.path)
                if size is None:
                    return None
                total += size
        return total


def _counts(file: Entry) -> bool:
    return file.kind in _WANTED or (file.named and file.kind == OTHER)


def _mixed(number: dict[str, int], first: dict[str, str]) -> SourceError:
    image, table = redact_url(first[IMAGE]), redact_url(first[TABLE])
    return SourceError(
        "A fit is of images or of tables, not of both. Received: "
        f"{number[IMAGE]:,} images or archives such as {image!r}, and {number[TABLE]:,} tables "
        f"such as {table!r}. Choose with a pattern, such as "
        f"'{_pattern(image)}' or '{_pattern(table)}'."
    )


def _pattern(path: str) -> str:
    """Return a pattern for the files like this one.

    >>> _pattern("photos/cats/1.jpg")
    'photos/cats/*.jpg'
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, f"*{os.path.splitext(name)[1]}")
