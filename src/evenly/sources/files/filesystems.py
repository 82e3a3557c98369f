"""Open files and URLs, and read their sizes; all errors name the file, without secrets."""

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from evenly import extras
from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.file_ref import FileRef
from evenly.sources.files.remote import RemoteFile
from evenly.sources.read_errors import decode_errors, read_error, unreadable_error
from evenly.sources.sql.url import check_supported
from evenly.sources.urls import is_url, storage_options_of
from evenly.system.regular_files import RegularFile, check_regular

if TYPE_CHECKING:
    import fsspec


def open_errors(path: str) -> contextlib.AbstractContextManager[None]:
    """Convert exceptions raised while a file or URL is located or opened to `SourceError`."""
    return decode_errors(redact_url(path), unreadable_error, url=path)


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
    return cast(BinaryIO, RemoteFile(opened, filesystem, partial(opening_error, path)))


def open_in(filesystem: "fsspec.AbstractFileSystem", path: str) -> Any:
    """Open a file in an fsspec file system, which must be kept alive as long as the file.

    Exceptions of fsspec and the system are not converted.
    """
    return RegularFile(path) if is_local(filesystem) else filesystem.open(path, "rb")


def filesystem_of(url: str) -> "tuple[fsspec.AbstractFileSystem, str]":
    """Return the fsspec file system of a URL, and the path in it."""
    check_supported(url)
    fsspec = extras.require("fsspec", extra="files", feature=f"Opening {redact_url(url)}")
    return fsspec.core.url_to_fs(str(url), **storage_options_of(url))  # type: ignore[no-any-return]


def is_local(filesystem: "fsspec.AbstractFileSystem") -> bool:
    """Return whether an fsspec file system is the local one: ``file://``."""
    names = filesystem.protocol
    return "file" in ((names,) if isinstance(names, str) else names)


def size_of(file: FileRef) -> int | None:
    """Return the size of a file in bytes; None if unknown.

    Raises
    ------
    SourceError
        If it is a pipe, a socket or a device, or the system fails to read its status.
    """
    if file.size is not None or file.kind in ("database", "store"):
        return file.size
    with open_errors(file.path):
        if file.is_url:
            filesystem, inner = filesystem_of(file.path)
            return filesystem.size(inner)  # type: ignore[no-any-return]
        status = os.stat(file.path)
        check_regular(status, file.path)
        return status.st_size


def opening_error(path: str, error: Exception) -> SourceError:
    """Return the error for an exception raised while a file or URL is located or opened."""
    return read_error(redact_url(path), error, unreadable_error, url=path)
