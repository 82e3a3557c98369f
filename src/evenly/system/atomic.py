"""A file that appears whole or not at all."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evenly.errors import SourceError
from evenly.system.signals import DeferredSignals
from evenly.system.temporary import PREFIX, TemporaryFile, create_temporary_sibling


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name ``path`` only when the block succeeds.

    The bytes go to a new file in the same folder, are forced to the disk (`fsync`),
    and then renamed over ``path``: a reader sees the old file or the new one, after a
    crash too. When the block raises, the new file is removed and the old one stays. What a
    killed process has left of the same output is removed.
    A symbolic link stays a link (what it points to is replaced), an existing file
    keeps its permissions. What is no regular file (a pipe, ``/dev/stdout``) is written
    straight: it cannot be replaced.

    Raises
    ------
    SourceError
        When the folder is missing or not writable, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = _mode(target)
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        if mode is None or stat.S_ISREG(mode):
            with _temporary_sibling(target, mode) as file:
                yield file
        else:
            with open(target, "wb") as file:
                yield file
    except OSError as error:
        if not _concerns(error, target):
            raise
        raise SourceError(_write_error_message(path, target, error)) from None


def _concerns(error: OSError, target: Path) -> bool:
    """Whether it is the output's error: the block may also read, and fail at that."""
    if error.errno is None or isinstance(error, SourceError):
        return False
    name = error.filename
    return name is None or Path(name) == target or Path(name).name.startswith(PREFIX)


def _mode(target: Path) -> int | None:
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _temporary_sibling(target: Path, mode: int | None) -> Iterator[BinaryIO]:
    temporary: TemporaryFile | None = None
    try:
        with DeferredSignals():  # so that no file is made whose name is not known here
            temporary = create_temporary_sibling(target, 0o666 if mode is None else 0o600)
        file = temporary.file
        if mode is not None:
            os.fchmod(file.fileno(), stat.S_IMODE(mode))
        yield file
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        if temporary is not None:
            temporary.remove()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_error_message(path: str | os.PathLike[str], target: Path, error: OSError) -> str:
    if not target.parent.is_dir():
        return (
            f"The folder of an output file must exist. Received: {os.fspath(path)!r}, "
            f"and there is no folder {str(target.parent)!r}. Create it first."
        )
    reason = (error.strerror or str(error)).lower()
    return (
        f"Cannot write {os.fspath(path)!r}: {reason}. "
        "What was there before is unchanged; choose another path, or make room."
    )
