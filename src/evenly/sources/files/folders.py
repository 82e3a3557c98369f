"""List folders, and tell whether two paths lead to the same one."""

import os
from collections.abc import Iterator

from evenly.errors import SourceError
from evenly.system.errors import is_system_error, system_error

STORE_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""The metadata files at the root of a Zarr store, for Zarr versions 3 and 2."""

FileId = tuple[int, int]
"""Device and inode: the same for all names of a file or folder."""


def file_id(path: str) -> FileId:
    """Return the identifier of a file or folder; the empty path is the working directory.

    Raises
    ------
    SourceError
        If the path does not exist.
    """
    try:
        status = os.stat(path or os.curdir)
    except OSError as error:
        raise _unreadable_error(path, error) from None
    return status.st_dev, status.st_ino


def list_folder(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the entries of a folder in arbitrary order.

    Raises
    ------
    SourceError
        If the folder cannot be read.
    """
    try:
        with os.scandir(folder or os.curdir) as entries:
            yield from entries
    except OSError as error:
        raise _unreadable_error(folder, error) from None


def _unreadable_error(folder: str, error: OSError) -> SourceError:
    if is_system_error(error):
        return system_error(folder, error)
    result = SourceError(f"A folder must be readable. Received: {folder!r}: {error.strerror}.")
    result.errno = error.errno
    return result


def list_if_allowed(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the entries of a folder; none if it is missing or access is denied.

    Raises
    ------
    SourceError
        If the system fails to read the folder.
    """
    try:
        yield from list_folder(folder)
    except SourceError as error:
        if is_system_error(error):
            raise


def leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder or a link to one; False for a dangling link."""
    try:
        return entry.is_dir()
    except OSError as error:
        if is_system_error(error):
            raise system_error(entry.path, error) from None
        return False


def is_store_folder(path: str) -> bool:
    """Return whether a folder is a Zarr store, by its metadata file."""
    return any(os.path.isfile(os.path.join(path, mark)) for mark in STORE_MARKS)
