"""Temporary files beside a target: their names say for which, and a lock that they are in use."""

import contextlib
import os
import secrets
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from evenly.system.private_files import CAN_LOCK, create, is_at, lock, remove_if_dead

PREFIX = ".evenly-"

_NAMES = 8
"""How many processes write to one target at once under names that later writers look at."""


class TemporaryFile(NamedTuple):
    """An open temporary file, locked until it is closed."""

    path: str
    file: BinaryIO

    def replace(self, target: Path) -> None:
        """Give the file, which has been written, the name of the target, and close it."""
        if not CAN_LOCK:  # Windows renames no open file
            self.file.close()
        os.replace(self.path, target)
        self.file.close()

    def remove(self) -> None:
        """Close and remove the file, whatever was written."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def create_temporary_sibling(target: Path, mode: int) -> TemporaryFile:
    """Create a temporary file beside the target, after removing those of killed writers.

    The names are few, and the same each time: so what a killed writer has left is found without
    listing the folder. A file that another process is writing is locked, and stays.
    """
    paths = [_path(target, str(number)) for number in range(_NAMES)]
    for path in paths:
        remove_if_dead(path)
    for path in paths:
        with contextlib.suppress(FileExistsError):
            return _created(path, mode)
    return _created(_path(target, secrets.token_hex(8)), mode)


def remove_stale_temp_files(target: Path) -> None:
    """Remove all temporary files of killed writers of a target, of whatever name."""
    for left in target.parent.glob(f"{_prefix(target)}*.tmp"):
        remove_if_dead(str(left))


def _created(path: str, mode: int) -> TemporaryFile:
    """Create and lock a file; `FileExistsError` when another process took it first."""
    descriptor = create(path, mode)
    if not _locked(descriptor, path):
        os.close(descriptor)
        raise FileExistsError(path)
    return TemporaryFile(path, open(descriptor, "wb"))


def _locked(descriptor: int, path: str) -> bool:
    try:
        return lock(descriptor) and is_at(descriptor, path)
    except OSError:  # a file system without locks, where nothing is taken for left over either
        return True


def _path(target: Path, which: str) -> str:
    # A short name of its own, so that a long target name does not overflow the limit.
    return str(target.with_name(f"{_prefix(target)}{which}.tmp"))


def _prefix(target: Path) -> str:
    """Return how a temporary file begins: it says whose it is, and for which file."""
    return f"{PREFIX}{zlib.crc32(os.fsencode(target.name)):08x}-"
