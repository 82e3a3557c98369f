"""Paths, patterns, folders and URLs, into a sorted list of files."""

import contextlib
import glob
import io
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, BinaryIO

from evenly import extras
from evenly.errors import SourceError
from evenly.sources.reading import reading, unreadable
from evenly.sources.sql.url import is_database, shown
from evenly.sources.stores import zarr

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


class Found(list[str]):
    """Files that were looked for already: far away, each look takes its time."""


def is_path(x: Any) -> bool:
    """Whether something names a file."""
    return isinstance(x, str | os.PathLike)


def expand(source: str | os.PathLike[str]) -> list[str]:
    """Return the files that a path, a pattern, a folder or a URL stands for, sorted.

    Of a folder, all files below it are taken whose suffix names a format; names that begin
    with a dot or an underscore are passed over, as Spark and Hive write them for themselves.

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
    if os.path.isdir(text):
        return _of_folder(text, _walk(text))
    if os.path.exists(text):
        return [text]
    if glob.has_magic(text):
        found = sorted(glob.glob(text, recursive=True))
        return [file for path in found for file in _expand_found(path)] or _no_match(text)
    raise SourceError(
        f"A source must be a file, a folder, a pattern or a URL. Received: {text!r}, and there is "
        f"no such file.{_hint(text)} Check the path."
    )


def is_store(path: str) -> bool:
    """Whether a folder is a Zarr store, by the file that each has. Of a URL, its name says so."""
    if is_url(path):
        return "::" not in path and suffixes_of(path.rstrip("/"))[0] == ".zarr"
    return any(os.path.isfile(os.path.join(path, mark)) for mark in zarr.MARKS)


def expand_all(sources: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of several sources, in order."""
    if isinstance(sources, Found):
        return sources
    return Found(file for source in sources for file in expand(source))


def open_file(path: str) -> BinaryIO:
    """Open a file or URL for reading.

    Raises
    ------
    SourceError
        When it cannot be opened.
    """
    with opening(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            return filesystem.open(inner, "rb")  # type: ignore[no-any-return]
        return _File(path)


class _File(io.FileIO):
    """A file that may be dropped unread: that it is closed then is nothing to be warned of."""

    def __del__(self) -> None:
        self.close()


def size_of(path: str) -> int | None:
    """Return a file's size in bytes; None when it is not known."""
    if is_database(path) or is_store(path):
        return None
    with opening(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            return filesystem.size(inner)  # type: ignore[no-any-return]
        found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(
            "A file must be a regular one, that can be read from any place. "
            f"Received: {path!r}. Write it to a file first."
        )
    return found.st_size


def suffixes_of(path: str) -> tuple[str, str]:
    """Return the suffix that names the format, and that of the compression, if any.

    >>> suffixes_of("flights.CSV.gz"), suffixes_of("x.npy")
    (('.csv', '.gz'), ('.npy', ''))
    """
    suffixes = [suffix.lower() for suffix in PurePath(path.partition("::")[0]).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        return (suffixes[-2] if len(suffixes) > 1 else ""), suffixes[-1]
    return (suffixes[-1] if suffixes else ""), ""


def is_data(path: str) -> bool:
    """Whether a file in a folder or an archive is one to be read."""
    parts = PurePath(path).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and suffixes_of(path)[0] in DATA_SUFFIXES


def is_image(path: str) -> bool:
    """Whether a file is an image, by its suffix.

    >>> is_image("n01440764_10026.JPEG"), is_image("labels.json")
    (True, False)
    """
    return path[path.rfind(".") :].lower() in IMAGE_SUFFIXES


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
    return path.lower().endswith(TAR_SUFFIXES)


def is_url(path: str) -> bool:
    """Whether a path is for fsspec: ``memory://x.csv``, ``zip://*.csv::s3://bucket/x.zip``."""
    return "://" in path


def filesystem_of(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it."""
    fsspec = extras.require("fsspec", extra="files", feature=f"Reading {url}")
    return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]


def expand_url(url: str, wanted: Callable[[str], bool] = is_data) -> list[str]:
    """Return the files that a URL stands for; of a folder, those that are wanted."""
    with opening(url):
        filesystem, inner = filesystem_of(url)
        # A chain such as zip://*.csv::file.zip keeps its tail.
        tail = url.partition("::")[1] + url.partition("::")[2]
        head = url.partition("://")[0]

        def back(path: str) -> str:
            return f"{head}://{path}{tail}" if tail else str(filesystem.unstrip_protocol(path))

        if not glob.has_magic(inner) and is_store(url) and filesystem.isdir(inner):
            return [url]
        if glob.has_magic(inner):
            return [back(str(path)) for path in sorted(filesystem.glob(inner))] or _no_match(url)
        if filesystem.isdir(inner):
            names = [str(path) for path in sorted(filesystem.find(inner))]
            root = inner.rstrip("/")
            relative = [name[len(root) :].lstrip("/") for name in names]
            kept = [n for n, r in zip(names, relative, strict=True) if wanted(r)]
            return [back(name) for name in kept] or _nothing_in(url, relative)
        if filesystem.exists(inner):
            return [url]
    raise SourceError(
        f"A URL must lead to a file. Received: {shown(url)!r}, and there is no such file."
    )


def _expand_found(path: str) -> list[str]:
    """Return a file or store that a pattern has found, or the files of a folder that it has."""
    if is_store(path):
        return [path]
    return _of_folder(path, _walk(path)) if os.path.isdir(path) else [path]


def _walk(folder: str) -> list[str]:
    """Return the paths of all files and stores below a folder, relative to it."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        stores = [name for name in folders if is_store(os.path.join(root, name))]
        folders[:] = [name for name in folders if name not in stores]
        files += stores
        found += [os.path.relpath(os.path.join(root, name), folder) for name in files]
    return sorted(found)


def _of_folder(folder: str, files: list[str]) -> list[str]:
    kept = [os.path.join(folder, file) for file in files if is_data(file)]
    return kept or _nothing_in(folder, files)


def _nothing_in(folder: str, files: list[str]) -> list[str]:
    found = ", ".join(map(repr, files[:5])) or "nothing"
    raise SourceError(
        f"A folder must hold data files ({' '.join(DATA_SUFFIXES)}, compressed or not) or images "
        f"({' '.join((*IMAGE_SUFFIXES, '.tar'))}). "
        f"Received: {folder!r}, which holds {found}{' and more' * (len(files) > 5)}."
    )


def _no_match(pattern: str) -> list[str]:
    raise SourceError(
        f"A pattern must match at least one file. Received: {pattern!r}, which matches none."
    )


def opening(path: str) -> contextlib.AbstractContextManager[None]:
    """Turn what is raised while a file or URL is looked for or opened into a `SourceError`."""
    return reading(shown(path), unreadable)


def _hint(path: str) -> str:
    """Return the names beside a missing file that are most like it."""
    from evenly.errors import nearest

    folder = os.path.dirname(path) or "."
    try:
        return nearest(os.path.basename(path), os.listdir(folder))
    except OSError:
        return f" Nor is there a folder {folder!r}."
