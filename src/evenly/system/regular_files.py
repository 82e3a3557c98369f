"""Open a local file for reading: a regular one, and nothing that waits or never ends.

A named pipe, a socket or a device may lie in a folder of data under any name. To ask what a file
is before it is opened is no protection, as it may be replaced in between: so it is opened in a way
that never waits, and then the open file is asked.
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
    | getattr(os, "O_NONBLOCK", 0)  # else opening a pipe waits for a writer; else without effect
    | getattr(os, "O_NOCTTY", 0)  # a terminal does not become that of this process
)
_REFUSED = frozenset({errno.ENXIO, errno.EOPNOTSUPP, errno.ENODEV})
"""What the system says when a socket, or a device that is not there, is opened."""

_LARGE = 1 << 20
"""A read of more bytes than this is cut to what the file has: a damaged header may ask for any
number, and memory for all of them would be taken at once."""


class NotRegularError(OSError):
    """A path leads to a pipe, a socket or a device."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "it is not a regular file", path)


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """Open a regular file; return its descriptor and its status. Opening it never waits.

    Raises
    ------
    NotRegularError
        When it is a pipe, a socket or a device.
    OSError
        When it cannot be opened, or is a folder.
    """
    try:
        descriptor = _open(path)
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


def _open(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, _FLAGS)
    except BlockingIOError:
        # Another process, such as Samba, has a lease on the file, and has been asked to end it.
        # Only a regular file can have one, so that waiting for the end is safe.
        check_regular(os.stat(path), path)
        return os.open(path, _FLAGS & ~os.O_NONBLOCK)


def check_regular(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    """Check that a status is that of a regular file.

    Raises
    ------
    NotRegularError
        When it is that of a pipe, a socket or a device.
    IsADirectoryError
        When it is that of a folder.
    """
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise NotRegularError(os.fspath(path))


class RegularFile(io.FileIO):
    """A regular file, open for reading; it may be dropped unread, without a warning.

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
        """Return at most that many bytes; -1 stands for the rest."""
        if size is not None and size > _LARGE:
            size = min(size, max(_LARGE, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)

    def __del__(self) -> None:
        self.close()


def not_regular_error(label: str) -> SourceError:
    """Return the error for a path that leads to a pipe, a socket or a device."""
    return SourceError(
        "A source must be a regular file, not a pipe, socket or device. "
        f"Received: {label!r}. Write its data to a file first."
    )
