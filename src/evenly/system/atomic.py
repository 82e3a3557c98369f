"""Write files atomically."""

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evenly.errors import SourceError, system_message
from evenly.system.signals import DeferredSignals
from evenly.system.stream_errors import temporary_write_errors
from evenly.system.temporary import PREFIX, TemporaryFile, create_temporary_sibling


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` only if the block succeeds.

    The data are written to a new file in the same folder, flushed to the disk (`fsync`), and
    renamed to ``path``, so a reader sees either the old file or the new one, even after a crash.
    If the block raises, the new file is removed and the old one stays. Temporary files left by
    killed processes are removed.

    A symbolic link stays a link (its target is replaced), and an existing file keeps its
    permissions. Paths that are not regular files (a pipe, ``/dev/stdout``) cannot be replaced
    and are written directly.

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


@contextlib.contextmanager
def temporary_copy(name: str) -> Iterator[TemporaryFile]:
    """Create a file in the folder of temporary files, and remove it at the end.

    Parameters
    ----------
    name
        What the file is a copy of. Files of the same name that killed processes left are removed.
    """
    target = Path(tempfile.gettempdir()) / hashlib.sha256(name.encode()).hexdigest()
    temporary: TemporaryFile | None = None
    try:
        with DeferredSignals():  # see `_temporary_sibling`
            temporary = create_temporary_sibling(target, 0o600)
        with temporary_write_errors():
            yield temporary
    finally:
        if temporary is not None:
            temporary.remove()


def _concerns(error: OSError, target: Path) -> bool:
    """Return whether an error concerns the output; the block may also fail to read a file."""
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
        with DeferredSignals():  # a signal must not separate a file from its name here
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
    """Flush the rename to the disk, if the file system supports it."""
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
            f"but there is no folder {str(target.parent)!r}. Create it first."
        )
    return (
        f"Cannot write {os.fspath(path)!r}: {system_message(error)}. "
        "An existing file is unchanged. Choose another path, or free disk space."
    )
