"""Files that evenly makes beside those of the user: locks and temporary files.

A folder may be writable by others, who can put links there under the names that evenly uses.
So no link is followed, and a file counts as ours when it is a regular one, belongs to this user
(or to root) and has no second name.
"""

import contextlib
import os
import stat

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None
"""Whether the system has locks that end with their process."""

_OPEN = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def create(path: str, mode: int) -> int:
    """Create a file and return its descriptor; `FileExistsError` when there is anything."""
    return os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, mode)


def open_or_create(path: str, mode: int) -> tuple[int, bool]:
    """Return the descriptor of a file, whoever's it is, and whether it was created.

    A symbolic link is an `OSError`.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            return create(path, mode), True
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            return os.open(path, _OPEN), False


def lock(descriptor: int) -> bool:
    """Lock a file until it is closed; whether nobody else has it locked."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: str) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def not_private_reason(descriptor: int) -> str:
    """Return why an open file is not ours, or nothing.

    >>> descriptor = os.open(os.devnull, os.O_RDONLY)
    >>> not_private_reason(descriptor)
    'is not a regular file'
    >>> os.close(descriptor)
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_nlink > 1:
        return "has a second name (a hard link)"
    if hasattr(os, "geteuid") and found.st_uid not in (0, os.geteuid()):
        return f"belongs to another user ({found.st_uid})"
    return ""


def remove_if_dead(path: str) -> None:
    """Remove a file of ours that no process has locked: its writer was killed."""
    if not CAN_LOCK:
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            os.unlink(path)
        return
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:  # a link, a folder, somebody else's, or gone
        return
    try:
        if not not_private_reason(descriptor) and lock(descriptor) and is_at(descriptor, path):
            os.unlink(path)
    except OSError:  # a file system without locks
        pass
    finally:
        os.close(descriptor)
