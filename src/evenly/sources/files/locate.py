"""Expand paths, patterns, folders and URLs into a sorted list of files."""

import contextlib
import glob
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from evenly import extras
from evenly.errors import SourceError, suggest
from evenly.redaction import redact_url
from evenly.sources.files.folders import is_store_folder
from evenly.sources.files.partitions import Partitions, find_partitions
from evenly.sources.files.recordings import is_recording, recording_error_text
from evenly.sources.files.remote import RemoteFile
from evenly.sources.files.search import Entry, Search
from evenly.sources.files.table_logs import check_paths, check_remote_pattern
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
    """Files that have been expanded already; each remote lookup is a slow request.

    Attributes
    ----------
    partitions
        The columns in the names of their folders.
    """

    def __init__(self, files: Iterable[str] = (), partitions: Partitions | None = None) -> None:
        super().__init__(files)
        self.partitions = partitions or Partitions({})


def is_path(x: Any) -> bool:
    """Return whether an object is a path."""
    return isinstance(x, str | os.PathLike)


def expand(source: str | os.PathLike[str]) -> list[str]:
    """Return the sorted files that a path, a pattern, a folder or a URL stands for.

    A folder stands for all files below it whose suffix names a format. Names that begin with a
    dot or an underscore are skipped: Spark and Hive use them for internal files. Each file occurs
    once, even if several links lead to it: see `Search`.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    text = os.fspath(source)
    if is_database(text):
        return [text]
    if is_url(text):
        return expand_url(text)
    if is_store(text):
        return [text]
    search = Search(
        is_hidden=_is_hidden, file_kind=lambda name: "table" if is_data_file(name) else "other"
    )
    if os.path.isdir(text):
        files = _data_files(text, search.below([text]))
        if not files:
            contents = "hidden files" if search.skipped_hidden else "nothing"
            raise _empty_folder_error(text, [], contents)
        return files
    if exists(text):
        return [text]
    if glob.has_magic(text):
        files = _data_files(text, search.matching(text))
        if not files:
            raise _no_match_error(text)
        return files
    raise SourceError(
        f"A source must be a file, a folder, a pattern or a URL. Received: {text!r}, and there is "
        f"no such file.{_suggest_file(text)} Check the path."
    )


def is_store(path: str) -> bool:
    """Return whether a folder is a Zarr store, by its metadata file; a URL, by its suffix."""
    if is_url(path):
        return "::" not in path and suffixes_of(path.rstrip("/"))[0] == ".zarr"
    return is_store_folder(path)


def expand_all(sources: Iterable[str | os.PathLike[str]]) -> FileList:
    """Return the files that several sources stand for, in order."""
    if isinstance(sources, FileList):
        return sources
    found = [(os.fspath(source), expand(source)) for source in sources]
    files = [file for _, part in found for file in part]
    return FileList(files, find_partitions((s, part) for s, part in found if part != [s]))


def open_file(path: str) -> BinaryIO:
    """Open a file or URL for reading.

    Raises
    ------
    SourceError
        If it cannot be opened, or is a pipe, a socket or a device.
    """
    with open_errors(path):
        if not is_url(path):
            return RegularFile(path)
        filesystem, inner = filesystem_of(path)
        opened = open_in(filesystem, inner)
    return cast(BinaryIO, RemoteFile(opened, filesystem, partial(_opening_error, path)))


def open_in(filesystem: Any, path: str) -> Any:
    """Open a file in an fsspec file system, which must be kept alive as long as the file.

    Exceptions of fsspec and the system are not converted.
    """
    return RegularFile(path) if is_local(filesystem) else filesystem.open(path, "rb")


def size_of(path: str) -> int | None:
    """Return the size of a file in bytes; None if unknown."""
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
    """Return the part of a path or URL that names the file: a URL without its query.

    If that does not end with a known suffix, a value in the query may: ``?file=x.csv``.

    >>> name_of("days/1.csv"), name_of("https://host/x.csv?sig=0f3c")
    ('days/1.csv', 'https://host/x.csv')
    """
    if not is_url(path):
        return path
    names = list(names_in(path))
    return next((name for name in names if name.lower().endswith(_SUFFIXES)), names[0])


def suffixes_of(path: str) -> tuple[str, str]:
    """Return the suffix of the format, and that of the compression, if any.

    >>> suffixes_of("flights.CSV.gz"), suffixes_of("x.npy")
    (('.csv', '.gz'), ('.npy', ''))
    """
    suffixes = [suffix.lower() for suffix in PurePath(name_of(path)).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        return (suffixes[-2] if len(suffixes) > 1 else ""), suffixes[-1]
    return (suffixes[-1] if suffixes else ""), ""


def is_data_file(path: str) -> bool:
    """Return whether a file in a folder or an archive is a data file."""
    parts = PurePath(name_of(path)).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and suffixes_of(path)[0] in DATA_SUFFIXES


def is_image_file(path: str) -> bool:
    """Return whether a file is an image, by its suffix.

    >>> is_image_file("n01440764_10026.JPEG"), is_image_file("labels.json")
    (True, False)
    """
    name = name_of(path)
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def is_hidden_image(path: str) -> bool:
    """Return whether an image is a system's hidden copy: ``._cat.jpg``, ``__MACOSX/``.

    Other names may begin with an underscore, such as those of cameras: ``_DSC0042.JPG``.
    """
    parts = path.replace(os.sep, "/").split("/")
    return any(
        part == "__MACOSX" or (part.startswith(".") and part.strip(".") != "") for part in parts
    )


def is_tar(path: str) -> bool:
    """Return whether a file is a tar archive, compressed or not, by its suffix."""
    return name_of(path).lower().endswith(TAR_SUFFIXES)


def is_local(filesystem: Any) -> bool:
    """Return whether an fsspec file system is the local one: ``file://``."""
    names = filesystem.protocol
    return "file" in ((names,) if isinstance(names, str) else names)


def filesystem_of(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path in it."""
    fsspec = extras.require("fsspec", extra="files", feature=f"Reading {redact_url(url)}")
    return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]


def expand_url(url: str, is_wanted: Callable[[str], bool] = is_data_file) -> list[str]:
    """Return the files that a URL stands for; in a folder, those with a wanted name."""
    with open_errors(url):
        filesystem, inner = filesystem_of(url)
        if is_pattern(url):
            if not url.startswith(("http://", "https://")):  # it has no folders
                check_remote_pattern(filesystem, inner, redact_url(url))
            matches = [with_path(url, inner, str(path)) for path in filesystem.glob(inner)]
            if not matches and not filesystem.exists(inner):
                raise _no_match_error(url)
            return sorted(matches) or [url]
        if not _is_one_file(url) and filesystem.isdir(inner):
            if is_store(url):
                return [url]
            return _list_remote_folder(filesystem, inner, url, is_wanted)
        if filesystem.exists(inner):
            return [url]
        with contextlib.suppress(FileNotFoundError):
            filesystem.info(
                inner
            )  # `exists` returns False on any exception, such as a failed login
    raise SourceError(
        f"A URL must lead to a file. Received: {redact_url(url)!r}, and there is no such file."
    )


def exists(path: str) -> bool:
    """Return whether a path exists.

    Raises
    ------
    SourceError
        If the system fails to read its status.
    """
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        if is_system_error(error) or isinstance(error, PermissionError):
            raise _opening_error(path, error) from None
        return False
    return True


def _is_one_file(url: str) -> bool:
    """Return whether a URL is a file by its name; looking for a folder would download it."""
    return url.startswith(("http://", "https://")) and name_of(url).lower().endswith(_SUFFIXES)


def _list_remote_folder(
    filesystem: Any, inner: str, url: str, is_wanted: Callable[[str], bool]
) -> list[str]:
    paths = [str(path) for path in sorted(filesystem.find(inner))]
    root = inner.rstrip("/")
    relative = [path[len(root) :].lstrip("/") for path in paths]
    check_paths(redact_url(url), relative)
    kept = [path for path, name in zip(paths, relative, strict=True) if is_wanted(name)]
    if not kept:
        raise _empty_folder_error(url, relative)
    return [with_path(url, inner, path) for path in kept]


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _data_files(source: str, entries: Iterable[Entry]) -> list[str]:
    """Return the sorted paths of data files and of files named by a pattern."""
    files: list[str] = []
    others: list[str] = []
    for entry in entries:
        wanted = entry.named or is_data_file(os.path.basename(entry.path))
        (files if wanted and entry.kind != "link" else others).append(entry.path)
    if others and not files:
        raise _empty_folder_error(source, sorted(os.path.relpath(path, source) for path in others))
    return sorted(files)


def _empty_folder_error(folder: str, files: list[str], otherwise: str = "nothing") -> SourceError:
    contents = ", ".join(map(repr, files[:5])) or otherwise
    if files and all(map(is_recording, files)):
        return SourceError(recording_error_text(redact_url(folder), f"a folder of {contents}"))
    return SourceError(
        f"A folder must hold data files ({' '.join(DATA_SUFFIXES)}, compressed or not) or images "
        f"({' '.join((*IMAGE_SUFFIXES, '.tar'))}). "
        f"Received: {redact_url(folder)!r}, which holds {contents}"
        f"{' and more' * (len(files) > 5)}."
    )


def _no_match_error(pattern: str) -> SourceError:
    return SourceError(
        "A pattern must match at least one file. "
        f"Received: {redact_url(pattern)!r}, which matches none."
    )


def open_errors(path: str) -> contextlib.AbstractContextManager[None]:
    """Convert exceptions raised while a file or URL is located or opened to `SourceError`."""
    return decode_errors(redact_url(path), unreadable_error, url=path)


def _opening_error(path: str, error: Exception) -> SourceError:
    return read_error(redact_url(path), error, unreadable_error, url=path)


def _suggest_file(path: str) -> str:
    """Return a hint with the most similar names in the folder of a missing file."""
    folder = os.path.dirname(path) or "."
    try:
        return suggest(os.path.basename(path), os.listdir(folder))
    except OSError:
        return f" The folder {folder!r} does not exist either."
