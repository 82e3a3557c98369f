"""Read folders: their entries, and which two paths lead to the same one."""

import os
from collections.abc import Iterator

from evenly.errors import SourceError
from evenly.sources.stores import zarr
from evenly.system.errors import is_system_error, system_error

Identity = tuple[int, int]
"""Device and inode: the same for all names of a file or folder."""


def identity(path: str) -> Identity:
    """Return what a path leads to; the empty path to the working directory.

    Raises
    ------
    SourceError
        When it leads nowhere.
    """
    try:
        status = os.stat(path or os.curdir)
    except OSError as error:
        raise _unreadable(path, error) from None
    return status.st_dev, status.st_ino


def scan(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the entries of a folder, in no order.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    try:
        with os.scandir(folder or os.curdir) as entries:
            yield from entries
    except OSError as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: str, error: OSError) -> SourceError:
    if is_system_error(error):
        return system_error(folder, error)
    raised = SourceError(f"A folder must be readable. Received: {folder!r}: {error.strerror}.")
    raised.errno = error.errno
    return raised


def scan_if_allowed(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the entries of a folder; none when it is gone or may not be read.

    Raises
    ------
    SourceError
        When the system fails to read it.
    """
    try:
        yield from scan(folder)
    except SourceError as error:
        if is_system_error(error):
            raise


def leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder or a link to one; not if the link leads nowhere."""
    try:
        return entry.is_dir()
    except OSError as error:
        if is_system_error(error):
            raise system_error(entry.path, error) from None
        return False


def is_store_folder(path: str) -> bool:
    """Return whether a folder is a Zarr store, by the file that each has."""
    return any(os.path.isfile(os.path.join(path, mark)) for mark in zarr.MARKS)
