"""Detect changes of files by their size and modification time or version."""

import os
from datetime import datetime
from stat import S_ISDIR
from typing import Any, NamedTuple

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.files.filesystems import filesystem_of, open_errors
from evenly.sources.urls import is_url
from evenly.system.errors import is_system_error

_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "md5", "version_id", "generation")
_TIMES = ("mtime", "modified", "LastModified", "last_modified", "updated", "created")
"""Their names in fsspec's file systems: S3, GCS, Azure, HTTP, SFTP, local, memory."""
_MAX_VERSION_LENGTH = 200


class Fingerprint(NamedTuple):
    """The size of a file, and its modification time or version.

    Attributes
    ----------
    bytes
        The size in bytes; None if unknown.
    modified
        The modification time in nanoseconds since 1970, or the version (an ETag, a checksum) if
        a remote file system has one. None if both are unknown.
    """

    bytes: int | None
    modified: int | str | None


def fingerprint(path: str) -> Fingerprint:
    """Return the fingerprint of a file or URL.

    That of a folder, such as a Zarr store, has the total size and the latest modification time.

    Raises
    ------
    SourceError
        If the file does not exist or cannot be read.
    """
    with open_errors(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            return _remote_fingerprint(filesystem.info(inner))
        return _local_fingerprint(path, os.stat(path))


def _local_fingerprint(path: str, status: os.stat_result) -> Fingerprint:
    if S_ISDIR(status.st_mode):
        return _folder_fingerprint(path)
    return Fingerprint(status.st_size, status.st_mtime_ns)


class Watch:
    """Fingerprints of files when they were opened, to detect changes since then."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[Fingerprint, object]] = {}

    def open(self, path: str) -> None:
        """Record the fingerprint of a file before it is opened."""
        self._opened[path] = _fingerprint_and_inode(path)

    def opened(self, path: str) -> Fingerprint | None:
        """Return the recorded fingerprint of a file; None if it has not been opened."""
        return self._opened[path][0] if path in self._opened else None

    def changed(self, path: str) -> Fingerprint | None:
        """Return the new fingerprint of an opened file that has changed, otherwise None.

        A missing file counts as empty.

        Raises
        ------
        SourceError
            If the system fails to read the file's status.
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
    """Return the fingerprint of a file, and its device and inode if it is local."""
    with open_errors(path):
        if is_url(path):
            filesystem, inner = filesystem_of(path)
            filesystem.invalidate_cache(inner)
            return _remote_fingerprint(filesystem.info(inner)), None
        return _local_state(path, os.stat(path))


def _local_state(path: str, status: os.stat_result) -> tuple[Fingerprint, object]:
    return _local_fingerprint(path, status), (status.st_dev, status.st_ino)


class ChangedError(SourceError):
    """A file has changed while it was read; an error even if broken images are skipped."""


class ChangeCheck:
    """Check that a file, a folder (a Zarr store) or a URL has not changed since it was opened.

    Parameters
    ----------
    path
        Path or URL.
    file
        The open file, if it is local.

    Attributes
    ----------
    size
        The size in bytes when the file was opened; None if unknown.
    """

    def __init__(self, path: str, file: object = None) -> None:
        self._path = path
        self._file: Any = None if is_url(path) else file
        self._before = self._now(reopened=self._file is None)
        self.size = self._before[0].bytes

    def check(self, *, reopened: bool = False) -> None:
        """Check the file.

        Parameters
        ----------
        reopened
            Whether the path was opened again, and may lead to another file by now.

        Raises
        ------
        ChangedError
            If the file has changed.
        """
        reopened = reopened or self._file is None
        if not reopened and self._file.closed:
            return
        now = self._now(reopened=reopened)
        if now != self._before:
            raise ChangedError(
                f"A file must not change while it is read. Received: {redact_url(self._path)!r}, "
                f"{_size(self.size)} when it was opened, which has changed since and now has "
                f"{_size(now[0].bytes, '')}. Read it again when no process writes to it, or read a "
                "copy."
            )

    def _now(self, *, reopened: bool) -> tuple[Fingerprint, object]:
        if reopened:
            return _fingerprint_and_inode(self._path)
        return _local_state(self._path, os.fstat(self._file.fileno()))


def _size(nbytes: int | None, prefix: str = "of ") -> str:
    return f"{prefix}an unknown size" if nbytes is None else f"{prefix}{nbytes:,} bytes"


def _folder_fingerprint(path: str) -> Fingerprint:
    nbytes, modified = 0, 0
    for root, _, files in os.walk(path):
        for name in files:
            status = os.stat(os.path.join(root, name))
            nbytes += status.st_size
            modified = max(modified, status.st_mtime_ns)
    return Fingerprint(nbytes, modified)


def fingerprint_or_empty(path: str) -> Fingerprint:
    """Return the fingerprint of a file; an empty one for a missing file or a dangling link."""
    try:
        return fingerprint(path)
    except SourceError as error:
        if is_system_error(error):
            raise
        return Fingerprint(0, None)


def _remote_fingerprint(info: dict[str, Any]) -> Fingerprint:
    """Return a fingerprint from fsspec's information; a version takes precedence over a time.

    >>> _remote_fingerprint({"size": 5, "ETag": '"9b2c"', "LastModified": datetime(2026, 1, 1)})
    Fingerprint(bytes=5, modified='"9b2c"')
    """
    versions = (str(info[key]) for key in _VERSIONS if info.get(key))
    times = (_nanoseconds(info[key]) for key in _TIMES if info.get(key))
    modified = next(versions, None) or next(times, None)
    return Fingerprint(
        info.get("size"), modified[:_MAX_VERSION_LENGTH] if isinstance(modified, str) else modified
    )


def _nanoseconds(time: object) -> int | str:
    if isinstance(time, datetime):
        return round(time.timestamp() * 1e6) * 1000
    return round(time * 1e9) if isinstance(time, int | float) else str(time)
