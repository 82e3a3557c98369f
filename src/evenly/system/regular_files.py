"""Open local files for reading if they are regular files.

A named pipe, a socket or a device in a folder of data can have any name; reading it may block or
never end. Checking the path before opening it does not help, since it can be replaced in between.
So the path is opened without blocking, and then the open file is checked.
"""

import errno
import io
import os
import stat

from evenly.errors import SourceError

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for a writer
    | getattr(os, "O_NOCTTY", 0)  # a terminal must not become the controlling terminal
)
_REFUSED = frozenset({errno.ENXIO, errno.EOPNOTSUPP, errno.ENODEV})
"""Error numbers of opening a socket or an absent device."""

_LARGE = 1 << 20
"""Larger reads are limited to the size of the file: a damaged header may request any number of
bytes, and Python would allocate all of them."""


class NotRegularError(OSError):
    """A path refers to a pipe, a socket or a device."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "it is not a regular file", path)


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """Open a regular file without blocking; return its descriptor and status.

    Raises
    ------
    NotRegularError
        When it is a pipe, a socket or a device.
    OSError
        When it cannot be opened, or is a folder.
    """
    try:
        descriptor = _open_nonblocking(path)
    except OSError as error:
        if error.errno in _REFUSED:
            raise NotRegularError(os.fspath(path)) from None
        raise
    try:
        status = os.fstat(descriptor)
        check_regular(status, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def _open_nonblocking(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, _FLAGS)
    except BlockingIOError:
        # Another process, such as Samba, has a lease on the file, and was asked to release it.
        # Only regular files have leases, so it is safe to wait.
        check_regular(os.stat(path), path)
        return os.open(path, _FLAGS & ~os.O_NONBLOCK)


def check_regular(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    """Check that a status describes a regular file.

    Raises
    ------
    NotRegularError
        When it is a pipe, a socket or a device.
    IsADirectoryError
        When it is a folder.
    """
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise NotRegularError(os.fspath(path))


class RegularFile(io.FileIO):
    """A regular file, open for reading; dropping it unclosed emits no warning.

    Raises
    ------
    NotRegularError
        When it is a pipe, a socket or a device.
    OSError
        When it cannot be opened, or is a folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, opener=lambda path, _: open_regular(path)[0])

    def read(self, size: int | None = -1) -> bytes:
        """Return at most `size` bytes; -1 reads to the end."""
        if size is not None and size > _LARGE:
            size = min(size, max(_LARGE, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)

    def __del__(self) -> None:
        self.close()


def not_regular_error(label: str) -> SourceError:
    """Return the error for a path that refers to a pipe, a socket or a device."""
    return SourceError(
        "A source must be a regular file, not a pipe, socket or device. "
        f"Received: {label!r}. Write its data to a file first."
    )
