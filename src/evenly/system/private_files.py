"""Lock files and temporary files that evenly creates next to files of the user.

If other users can write to the folder, they can create links with the names that evenly uses.
So no link is followed, and a file is treated as evenly's only if it is regular, belongs to this
user (or to root) and has no second hard link.
"""

import contextlib
import os
import stat

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None
"""Whether the system has locks that are released when their process ends."""

_OPEN = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def create(path: str, mode: int) -> int:
    """Create a file and return its descriptor; raise `FileExistsError` if the path exists."""
    return os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, mode)


def open_or_create(path: str, mode: int) -> tuple[int, bool]:
    """Open or create a file; return its descriptor and whether it was created.

    The file may belong to any user. A symbolic link raises `OSError`.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            return create(path, mode), True
        with contextlib.suppress(FileNotFoundError):  # removed in the meantime
            return os.open(path, _OPEN), False


def lock(descriptor: int) -> bool:
    """Lock a file until it is closed; return False if another process holds the lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: str) -> bool:
    """Return whether `path` still refers to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def not_private_reason(descriptor: int) -> str:
    """Return why an open file is not evenly's own, or an empty string if it is.

    >>> descriptor = os.open(os.devnull, os.O_RDONLY)
    >>> not_private_reason(descriptor)
    'is not a regular file'
    >>> os.close(descriptor)
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_nlink > 1:
        return "has a second name (a hard link)"
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user ({status.st_uid})"
    return ""


def remove_if_dead(path: str) -> None:
    """Remove a private file that no process has locked, since its writer was killed."""
    if not CAN_LOCK:
        with contextlib.suppress(OSError):  # Windows does not remove open files
            os.unlink(path)
        return
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:  # a link, a folder, a file of another user, or removed
        return
    try:
        if not not_private_reason(descriptor) and lock(descriptor) and is_at(descriptor, path):
            os.unlink(path)
    except OSError:  # a file system without locks
        pass
    finally:
        os.close(descriptor)
