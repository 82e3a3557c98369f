"""What tells whether a file is still the one that was read: its size, and when it changed."""

import os
from datetime import datetime
from stat import S_ISDIR
from typing import Any, NamedTuple

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.locate import filesystem_of, is_url, open_errors
from evenly.system.errors import is_system_error

_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "md5", "version_id", "generation")
_TIMES = ("mtime", "modified", "LastModified", "last_modified", "updated", "created")
"""What fsspec's file systems call them: S3, GCS, Azure, HTTP, SFTP, local, memory."""
_MAX_VERSION_LENGTH = 200


class Fingerprint(NamedTuple):
    """A file's size and state.

    Attributes
    ----------
    bytes
        None where it is not known.
    modified
        When it was changed, in nanoseconds since 1970; or, where a file system far away has
        one, its version of the file (an ETag, a checksum). None where neither is known.
    """

    bytes: int | None
    modified: int | str | None


def fingerprint(path: str) -> Fingerprint:
    """Return the stamp of a file or URL, or of a Zarr folder: all bytes, and the last change.

    Raises
    ------
    SourceError
        When it is not there or cannot be read.
    """
    with open_errors(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            return _remote_fingerprint(filesystem.info(inner))
        found = os.stat(path)
        if S_ISDIR(found.st_mode):
            return _folder_fingerprint(path)
        return Fingerprint(found.st_size, found.st_mtime_ns)


class Watch:
    """What files were when they were opened, to tell whether they have changed since."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[Fingerprint, object]] = {}

    def open(self, path: str) -> None:
        """Note what a file is, before it is opened."""
        self._opened[path] = _fingerprint_and_inode(path)

    def opened(self, path: str) -> Fingerprint | None:
        """Return what a file was when it was opened; None when it has not been."""
        return self._opened[path][0] if path in self._opened else None

    def changed(self, path: str) -> Fingerprint | None:
        """Return what an opened file is now, if that is not what it was; a missing one is empty.

        Raises
        ------
        SourceError
            When the system cannot tell.
        """
        if path not in self._opened:
            return None
        try:
            now = _fingerprint_and_inode(path)
        except SourceError as error:
            if is_system_error(error):
                raise
            return Fingerprint(0, None)
        return None if now == self._opened[path] else now[0]


def _fingerprint_and_inode(path: str) -> tuple[Fingerprint, object]:
    """Return a file's stamp, and what differs once another file has replaced it."""
    with open_errors(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            filesystem.invalidate_cache(inner)
            return _remote_fingerprint(filesystem.info(inner)), None
        stamp = fingerprint(path)
        found = os.stat(path)
        return stamp, (found.st_dev, found.st_ino)


class ChangedError(SourceError):
    """A file has changed while it was read: it is an error, also where broken images are not."""


class ChangeCheck:
    """Check that a file, a folder (a Zarr store) or a URL is what it was when it was opened.

    Parameters
    ----------
    path
        Path or URL.
    file
        The open file, if it is on this machine.

    Attributes
    ----------
    size
        Its size in bytes when it was opened; None when it is not known.
    """

    def __init__(self, path: str, file: Any = None) -> None:
        self._path = path
        self._file = None if is_url(path) else file
        if is_url(path) or file is None:
            self._before, self.size = self._now()
        else:
            self._before, self.size = _identity(os.fstat(file.fileno()))

    def check(self, *, reopened: bool = False) -> None:
        """Check the file.

        Parameters
        ----------
        reopened
            Whether the path was opened again: by now it could lead to another file.

        Raises
        ------
        ChangedError
            When it has changed.
        """
        if self._file is None or reopened:
            now, size = self._now()
        elif self._file.closed:
            return
        else:
            now, size = _identity(os.fstat(self._file.fileno()))
        if now != self._before:
            raise ChangedError(
                f"A file must not change while it is read. Received: {redact_url(self._path)!r}, "
                f"{_size(self.size)} when it was opened, which has changed since and now has "
                f"{_size(size, '')}. Read it again when nobody writes to it, or read a copy."
            )

    def _now(self) -> tuple[object, int | None]:
        if is_url(self._path) or os.path.isdir(self._path):
            stamp = _fingerprint_and_inode(self._path)[0]
            return stamp, stamp.bytes
        with open_errors(self._path):
            return _identity(os.stat(self._path))


def _identity(found: os.stat_result) -> tuple[object, int]:
    """Return what differs once a file has been changed or replaced, and its size."""
    return (found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino), found.st_size


def _size(nbytes: int | None, prefix: str = "of ") -> str:
    return f"{prefix}an unknown size" if nbytes is None else f"{prefix}{nbytes:,} bytes"


def _folder_fingerprint(path: str) -> Fingerprint:
    nbytes, modified = 0, 0
    for root, _, files in os.walk(path):
        for name in files:
            found = os.stat(os.path.join(root, name))
            nbytes += found.st_size
            modified = max(modified, found.st_mtime_ns)
    return Fingerprint(nbytes, modified)


def fingerprint_or_empty(path: str) -> Fingerprint:
    """Return the stamp of a file, or of none, as a link that leads nowhere has it: no bytes."""
    try:
        return fingerprint(path)
    except SourceError as error:
        if is_system_error(error):
            raise
        return Fingerprint(0, None)


def _remote_fingerprint(info: dict[str, Any]) -> Fingerprint:
    """Return a stamp from what a file system says of a file: a version before a time.

    >>> _remote_fingerprint({"size": 5, "ETag": '"9b2c"', "LastModified": datetime(2026, 1, 1)})
    Fingerprint(bytes=5, modified='"9b2c"')
    """
    versions = (str(info[key]) for key in _VERSIONS if info.get(key))
    times = (_nanoseconds(info[key]) for key in _TIMES if info.get(key))
    modified = next(versions, None) or next(times, None)
    return Fingerprint(
        info.get("size"), modified[:_MAX_VERSION_LENGTH] if isinstance(modified, str) else modified
    )


def _nanoseconds(time: Any) -> int | str:
    if isinstance(time, datetime):
        return round(time.timestamp() * 1e6) * 1000
    return round(time * 1e9) if isinstance(time, int | float) else str(time)
