"""Temporary files next to a target, named after it and locked while in use."""

import contextlib
import os
import secrets
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from evenly.system.private_files import CAN_LOCK, create, is_at, lock, remove_if_dead

PREFIX = ".evenly-"

_FIXED_NAMES = 8
"""Number of names per target that later writers check for leftovers."""


class TemporaryFile(NamedTuple):
    """An open temporary file, locked until it is closed."""

    path: str
    file: BinaryIO

    def replace(self, target: Path) -> None:
        """Rename the written file to the target and close it."""
        if not CAN_LOCK:  # Windows does not rename open files
            self.file.close()
        os.replace(self.path, target)
        self.file.close()

    def remove(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def create_temporary_sibling(target: Path, mode: int) -> TemporaryFile:
    """Create a temporary file next to the target, after removing those of killed writers.

    The names come from a small fixed set, so leftovers of killed writers are found without
    listing the folder. A file that another process is writing is locked, and stays.
    """
    paths = [_path(target, str(number)) for number in range(_FIXED_NAMES)]
    for path in paths:
        remove_if_dead(path)
    for path in paths:
        with contextlib.suppress(FileExistsError):
            return _create_locked(path, mode)
    return _create_locked(_path(target, secrets.token_hex(8)), mode)


def remove_stale_temp_files(target: Path) -> None:
    """Remove all temporary files of killed writers of a target."""
    for path in target.parent.glob(f"{_prefix(target)}*.tmp"):
        remove_if_dead(str(path))


def _create_locked(path: str, mode: int) -> TemporaryFile:
    """Create and lock a file; raise `FileExistsError` if another process locked it first."""
    descriptor = create(path, mode)
    if not _try_lock(descriptor, path):
        os.close(descriptor)
        raise FileExistsError(path)
    return TemporaryFile(path, open(descriptor, "wb"))


def _try_lock(descriptor: int, path: str) -> bool:
    try:
        return lock(descriptor) and is_at(descriptor, path)
    except OSError:  # a file system without locks, where no file is removed as a leftover either
        return True


def _path(target: Path, suffix: str) -> str:
    # The name does not contain that of the target, which may be as long as the limit.
    return str(target.with_name(f"{_prefix(target)}{suffix}.tmp"))


def _prefix(target: Path) -> str:
    """Return the start of the names of temporary files, which identifies the target."""
    return f"{PREFIX}{zlib.crc32(os.fsencode(target.name)):08x}-"
