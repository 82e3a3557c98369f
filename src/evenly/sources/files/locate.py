"""Paths, patterns, folders and URLs, into a sorted list of files."""

import contextlib
import glob
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from evenly import extras
from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.folders import is_store_folder
from evenly.sources.files.remote import RemoteFile
from evenly.sources.files.search import Entry, Search
from evenly.sources.read_errors import decode_errors, read_error, unreadable_error
from evenly.sources.sql.url import is_database
from evenly.sources.urls import is_pattern, names_in, with_path
from evenly.sources.urls import is_url as is_url
from evenly.system.errors import is_system_error
from evenly.system.regular_files import RegularFile, check_regular

DATA_SUFFIXES = (
    *(".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc"),
    *(".csv", ".tsv", ".npy", ".npz", ".zip", ".h5", ".hdf5", ".nc", ".zarr"),
)
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff"),
    *(".bmp", ".gif", ".pgm", ".ppm"),
)
TAR_SUFFIXES = (".tar", ".tgz", *(f".tar{suffix}" for suffix in COMPRESSED_SUFFIXES))
_SUFFIXES = (
    *(*DATA_SUFFIXES, *COMPRESSED_SUFFIXES, *IMAGE_SUFFIXES, *TAR_SUFFIXES),
    *(".tab", ".txt"),
)


class FileList(list[str]):
    """Files that were looked for already: far away, each look takes its time."""


def is_path(x: Any) -> bool:
    """Whether something names a file."""
    return isinstance(x, str | os.PathLike)


def expand(source: str | os.PathLike[str]) -> list[str]:
    """Return the files that a path, a pattern, a folder or a URL stands for, sorted.

    Of a folder, all files below it are taken whose suffix names a format; names that begin
    with a dot or an underscore are passed over, as Spark and Hive write them for themselves.
    Each file comes once, whatever links lead to it: see `Search`.

    Raises
    ------
    SourceError
        When there is none.
    """
    text = os.fspath(source)
    if is_database(text):
        return [text]
    if is_url(text):
        return expand_url(text)
    if is_store(text):
        return [text]
    search = Search(
        hidden=_is_hidden, kind_of=lambda name: "table" if is_data_file(name) else "other"
    )
    if os.path.isdir(text):
        files = _data_files(text, search.below([text]))
        return files or _empty_folder_error(
            text, [], "hidden files" if search.some_hidden else "nothing"
        )
    if exists(text):
        return [text]
    if glob.has_magic(text):
        return _data_files(text, search.matching(text)) or _no_match_error(text)
    raise SourceError(
        f"A source must be a file, a folder, a pattern or a URL. Received: {text!r}, and there is "
        f"no such file.{_suggest_file(text)} Check the path."
    )


def is_store(path: str) -> bool:
    """Whether a folder is a Zarr store, by the file that each has. Of a URL, its name says so."""
    if is_url(path):
        return "::" not in path and suffixes_of(path.rstrip("/"))[0] == ".zarr"
    return is_store_folder(path)


def expand_all(sources: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of several sources, in order."""
    if isinstance(sources, FileList):
        return sources
    return FileList(file for source in sources for file in expand(source))


def open_file(path: str) -> BinaryIO:
    """Open a file or URL for reading.

    Raises
    ------
    SourceError
        When it cannot be opened, or is a pipe, a socket or a device.
    """
    with open_errors(path):
        if not is_url(path):
            return RegularFile(path)
        filesystem, inner = filesystem_of(path)
        opened = open_in(filesystem, inner)
    return cast(BinaryIO, RemoteFile(opened, filesystem, partial(_opening_error, path)))


def open_in(filesystem: Any, path: str) -> Any:
    """Open a file of one of fsspec's file systems, which must be kept for as long as the file.

    What is raised is that of fsspec or of the system.
    """
    return RegularFile(path) if is_local(filesystem) else filesystem.open(path, "rb")


def size_of(path: str) -> int | None:
    """Return a file's size in bytes; None when it is not known."""
    if is_database(path) or is_store(path):
        return None
    with open_errors(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            return filesystem.size(inner)  # type: ignore[no-any-return]
        status = os.stat(path)
        check_regular(status, path)
        return status.st_size


def name_of(path: str) -> str:
    """Return what names the file of a path or URL: of a URL its path, without a query.

    Where that ends in no known suffix, a value in the query may: ``?file=x.csv``.

    >>> name_of("days/1.csv"), name_of("https://host/x.csv?sig=0f3c")
    ('days/1.csv', 'https://host/x.csv')
    """
    if not is_url(path):
        return path
    names = list(names_in(path))
    return next((name for name in names if name.lower().endswith(_SUFFIXES)), names[0])


def suffixes_of(path: str) -> tuple[str, str]:
    """Return the suffix that names the format, and that of the compression, if any.

    >>> suffixes_of("flights.CSV.gz"), suffixes_of("x.npy")
    (('.csv', '.gz'), ('.npy', ''))
    """
    suffixes = [suffix.lower() for suffix in PurePath(name_of(path)).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        return (suffixes[-2] if len(suffixes) > 1 else ""), suffixes[-1]
    return (suffixes[-1] if suffixes else ""), ""


def is_data_file(path: str) -> bool:
    """Whether a file in a folder or an archive is one to be read."""
    parts = PurePath(name_of(path)).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and suffixes_of(path)[0] in DATA_SUFFIXES


def is_image_file(path: str) -> bool:
    """Whether a file is an image, by its suffix.

    >>> is_image_file("n01440764_10026.JPEG"), is_image_file("labels.json")
    (True, False)
    """
    name = name_of(path)
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def is_hidden_image(path: str) -> bool:
    """Whether an image lies where systems put copies of their own: ``._cat.jpg``, ``__MACOSX/``.

    Other names may begin with an underscore, as cameras give them: ``_DSC0042.JPG``.
    """
    parts = path.replace(os.sep, "/").split("/")
    return any(
        part == "__MACOSX" or (part.startswith(".") and part.strip(".") != "") for part in parts
    )


def is_tar(path: str) -> bool:
    """Whether a file is a tar archive, compressed or not, by its suffix."""
    return name_of(path).lower().endswith(TAR_SUFFIXES)


def is_local(filesystem: Any) -> bool:
    """Return whether one of fsspec's file systems is that of this machine: ``file://``."""
    names = filesystem.protocol
    return "file" in ((names,) if isinstance(names, str) else names)


def filesystem_of(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it."""
    fsspec = extras.require("fsspec", extra="files", feature=f"Reading {redact_url(url)}")
    return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]


def expand_url(url: str, wanted: Callable[[str], bool] = is_data_file) -> list[str]:
    """Return the files that a URL stands for; of a folder, those that are wanted."""
    with open_errors(url):
        filesystem, inner = filesystem_of(url)
        if is_pattern(url):
            matches = [with_path(url, inner, str(path)) for path in filesystem.glob(inner)]
            return sorted(matches) or ([url] if filesystem.exists(inner) else _no_match_error(url))
        if not _is_one_file(url) and filesystem.isdir(inner):
            return [url] if is_store(url) else _list_remote_folder(filesystem, inner, url, wanted)
        if filesystem.exists(inner):
            return [url]
        with contextlib.suppress(FileNotFoundError):
            filesystem.info(inner)  # `exists` is False on any exception, such as a failed login
    raise SourceError(
        f"A URL must lead to a file. Received: {redact_url(url)!r}, and there is no such file."
    )


def exists(path: str) -> bool:
    """Return whether a path leads to something.

    Raises
    ------
    SourceError
        When the system cannot tell.
    """
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        if is_system_error(error) or isinstance(error, PermissionError):
            raise _opening_error(path, error) from None
        return False
    return True


def _is_one_file(url: str) -> bool:
    """Whether a URL's name says that it is a file, where looking for a folder would download it."""
    return url.startswith(("http://", "https://")) and name_of(url).lower().endswith(_SUFFIXES)


def _list_remote_folder(
    filesystem: Any, inner: str, url: str, wanted: Callable[[str], bool]
) -> list[str]:
    paths = [str(path) for path in sorted(filesystem.find(inner))]
    root = inner.rstrip("/")
    relative = [path[len(root) :].lstrip("/") for path in paths]
    kept = [path for path, name in zip(paths, relative, strict=True) if wanted(name)]
    return [with_path(url, inner, path) for path in kept] or _empty_folder_error(url, relative)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _data_files(source: str, entries: Iterable[Entry]) -> list[str]:
    """Return the paths of those that are read, sorted; those that a pattern names always are."""
    files: list[str] = []
    others: list[str] = []
    for entry in entries:
        wanted = entry.named or is_data_file(os.path.basename(entry.path))
        (files if wanted and entry.kind != "link" else others).append(entry.path)
    if others and not files:
        return _empty_folder_error(source, sorted(os.path.relpath(path, source) for path in others))
    return sorted(files)


def _empty_folder_error(folder: str, files: list[str], otherwise: str = "nothing") -> list[str]:
    found = ", ".join(map(repr, files[:5])) or otherwise
    raise SourceError(
        f"A folder must hold data files ({' '.join(DATA_SUFFIXES)}, compressed or not) or images "
        f"({' '.join((*IMAGE_SUFFIXES, '.tar'))}). "
        f"Received: {redact_url(folder)!r}, which holds {found}{' and more' * (len(files) > 5)}."
    )


def _no_match_error(pattern: str) -> list[str]:
    raise SourceError(
        "A pattern must match at least one file. "
        f"Received: {redact_url(pattern)!r}, which matches none."
    )


def open_errors(path: str) -> contextlib.AbstractContextManager[None]:
    """Turn what is raised while a file or URL is looked for or opened into a `SourceError`."""
    return decode_errors(redact_url(path), unreadable_error, url=path)


def _opening_error(path: str, error: Exception) -> SourceError:
    return read_error(redact_url(path), error, unreadable_error, url=path)


def _suggest_file(path: str) -> str:
    """Return the names beside a missing file that are most like it."""
    from evenly.errors import suggest

    folder = os.path.dirname(path) or "."
    try:
        return suggest(os.path.basename(path), os.listdir(folder))
    except OSError:
        return f" Nor is there a folder {folder!r}."
