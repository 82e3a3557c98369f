"""Find the files that paths, patterns, folders and URLs stand for."""

import glob
import os
from collections.abc import Iterator, Mapping
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any

from evenly.errors import SourceError, suggest
from evenly.redaction import redact_url
from evenly.sources.files.file_ref import (
    DATA_SUFFIXES,
    IMAGE_SUFFIXES,
    KNOWN_SUFFIXES,
    FileRef,
    file_kind,
    file_ref,
    is_data_file,
    is_hidden_image,
    is_image_file,
    is_store_url,
    is_tar,
    name_of,
)
from evenly.sources.files.filesystems import filesystem_of, open_errors, opening_error
from evenly.sources.files.other_formats import other_image_by_name, other_image_error_text
from evenly.sources.files.recordings import is_recording, recording_error_text
from evenly.sources.files.search import Search
from evenly.sources.files.table_logs import check_paths, check_remote_pattern
from evenly.sources.read_errors import read_error, unreadable_error
from evenly.sources.sql.url import is_database
from evenly.sources.urls import is_pattern, is_url, with_path
from evenly.system.errors import is_system_error

if TYPE_CHECKING:
    import fsspec


Info = Mapping[str, Any]
"""The information of fsspec about a file."""


class NoFilesError(SourceError):
    """A pattern matches no file, or a folder has no data files."""


def find_files(source: str | os.PathLike[str]) -> Iterator[FileRef]:
    """Yield the files that a path, a pattern, a folder or a URL stands for, in arbitrary order.

    A folder stands for all files below it. Hidden files are skipped. Each file occurs once, even
    if several links lead to it: see `Search`.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    text = os.fspath(source)
    if is_database(text):
        yield file_ref(text, named=True)
    elif is_url(text):
        yield from _files_at_url(text)
    else:
        yield from _files_at_path(text)


def _files_at_path(path: str) -> Iterator[FileRef]:
    status = _status(path)
    if status is not None and S_ISDIR(status.st_mode):
        yield from Search().below([path])
    elif status is not None:
        size = status.st_size if S_ISREG(status.st_mode) else None
        yield file_ref(path, named=True, size=size)
    elif os.path.islink(path) and file_kind(path) in ("image", "tar"):
        yield file_ref(path, named=True)  # a dangling link is a broken image
    elif glob.has_magic(path):
        yield from Search().matching(path)
    else:
        raise SourceError(
            f"A source must be a file, a folder, a pattern or a URL. Received: {path!r}, and there "
            f"is no such file.{_suggest_file(path)} Check the path."
        )


def no_files_error(source: str | os.PathLike[str]) -> NoFilesError:
    """Return the error for a source without a file of rows; its folder is listed again."""
    path = os.fspath(source)
    search = Search()
    is_folder = os.path.isdir(path)
    found = search.below([path]) if is_folder else search.matching(path)
    others = sorted(os.path.relpath(file.path, path) for file in found if not file.internal)
    if not is_folder and not others:
        return _no_match_error(path)
    return _empty_folder_error(path, others, "hidden files" if search.skipped_hidden else "nothing")


def _files_at_url(url: str) -> Iterator[FileRef]:
    """Yield the files that a URL stands for; in a folder, data files, images and archives."""
    with open_errors(url):
        filesystem, inner = filesystem_of(url)
        if is_pattern(url):
            yield from _files_matching_url(filesystem, inner, url)
            return
        if _is_http(url) and not _is_one_file(url) and filesystem.isdir(inner):
            yield from _files_in_remote_folder(filesystem, inner, url)
            return
        try:
            info = filesystem.info(inner)
        except FileNotFoundError as error:
            raise _no_url_error(url, error.__cause__) from None
        if info.get("type") == "directory" and not is_store_url(url):
            yield from _files_in_remote_folder(filesystem, inner, url)
        else:
            yield file_ref(url, named=False, size=info.get("size"))


def _files_matching_url(
    filesystem: "fsspec.AbstractFileSystem", inner: str, url: str
) -> Iterator[FileRef]:
    """Yield the files that match a pattern, or the file whose name looks like one."""
    if not _is_http(url):
        check_remote_pattern(filesystem, inner, redact_url(url))
    found: dict[str, Info] = filesystem.glob(inner, detail=True)
    if not found and not filesystem.exists(inner):
        raise _no_match_error(url)
    for path, info in sorted(found.items()):
        yield file_ref(with_path(url, inner, path), named=False, size=info.get("size"))
    if not found:
        yield file_ref(url, named=False)


def _files_in_remote_folder(
    filesystem: "fsspec.AbstractFileSystem", inner: str, url: str
) -> Iterator[FileRef]:
    found: dict[str, Info] = filesystem.find(inner, detail=True)
    root = inner.rstrip("/")
    relative = {path: path[len(root) :].lstrip("/") for path in sorted(found)}
    check_paths(redact_url(url), relative.values())
    if not any(map(_is_wanted, relative.values())):
        raise _empty_folder_error(url, list(relative.values()))
    for path, name in relative.items():
        if _is_wanted(name):
            size = found[path].get("size")
            yield file_ref(with_path(url, inner, path), named=False, size=size)


def _is_wanted(name: str) -> bool:
    return is_data_file(name) or is_tar(name) or (is_image_file(name) and not is_hidden_image(name))


def _is_http(url: str) -> bool:
    """Return whether a URL is read with HTTP, where a folder looks like a file."""
    return "http://" in url or "https://" in url


def _status(path: str) -> os.stat_result | None:
    """Return the status of a file or folder; None if there is none.

    Raises
    ------
    SourceError
        If the system fails to read its status.
    """
    try:
        return os.stat(path)
    except (OSError, ValueError) as error:
        if is_system_error(error) or isinstance(error, PermissionError):
            raise opening_error(path, error) from None
        return None


def _is_one_file(url: str) -> bool:
    """Return whether a URL is a file by its name; looking for a folder would download it."""
    return url.startswith(("http://", "https://")) and name_of(url).lower().endswith(KNOWN_SUFFIXES)


def _empty_folder_error(folder: str, files: list[str], otherwise: str = "nothing") -> NoFilesError:
    contents = ", ".join(map(repr, files[:5])) or otherwise
    if files and all(map(is_recording, files)):
        return NoFilesError(recording_error_text(redact_url(folder), f"a folder of {contents}"))
    formats = [other_image_by_name(file) for file in files]
    if files and all(formats):
        found = f"a folder of {contents}"
        return NoFilesError(other_image_error_text(redact_url(folder), found))
    return NoFilesError(
        f"A folder must hold data files ({' '.join(DATA_SUFFIXES)}, compressed or not) or images "
        f"({' '.join((*IMAGE_SUFFIXES, '.tar'))}). "
        f"Received: {redact_url(folder)!r}, which holds {contents}"
        f"{' and more' * (len(files) > 5)}."
    )


def _no_url_error(url: str, cause: BaseException | None) -> SourceError:
    """Return the error for a URL for which the file system says that there is no file.

    fsspec says so whenever a web server cannot be reached or refuses; the cause has the reason.
    """
    status = getattr(cause, "status", None)  # of a response of aiohttp
    if isinstance(status, int) and status not in (404, 410):
        message = getattr(cause, "message", "")
        text = f"the server answered {status} {message}".rstrip()
        if status in (401, 403, 407):
            text += "; pass credentials, with storage_options= for example"
        return unreadable_error(redact_url(url), text)
    if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
        return read_error(redact_url(url), cause, url=url)
    return SourceError(
        f"A URL must lead to a file. Received: {redact_url(url)!r}, and there is no such file."
    )


def _no_match_error(pattern: str) -> NoFilesError:
    return NoFilesError(
        "A pattern must match at least one file. "
        f"Received: {redact_url(pattern)!r}, which matches none."
    )


def _suggest_file(path: str) -> str:
    """Return a hint with the most similar names in the folder of a missing file."""
    folder = os.path.dirname(path) or "."
    try:
        return suggest(os.path.basename(path), os.listdir(folder))
    except OSError:
        return f" The folder {folder!r} does not exist either."
