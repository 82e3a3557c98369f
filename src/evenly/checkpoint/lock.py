"""One process at a time works with a checkpoint."""

import contextlib
import hashlib
import os

from evenly.errors import SourceError
from evenly.system import private_files

_LONGEST = 255
"""Bytes of a file's name, on most file systems."""


class Lock:
    """A lock on a file beside the checkpoint, which itself is replaced at each save.

    The system lets go of it when the process ends, by `kill -9` too: a file that was left
    behind locks nothing. Where the system has no such locks, nothing is locked.

    Raises
    ------
    SourceError
        When another process has it, or the file cannot be made.
    """

    def __init__(self, checkpoint: str) -> None:
        folder, name = os.path.split(os.path.realpath(checkpoint))
        self._path = os.path.join(folder, _name(name))
        self._descriptor = -1
        if private_files.CAN_LOCK:
            self._acquire(checkpoint)

    def _acquire(self, checkpoint: str) -> None:
        while self._descriptor < 0:
            try:
                descriptor, created = private_files.open_or_create(self._path, 0o666)
            except OSError as error:
                raise _unopened(checkpoint, self._path, error) from None
            try:
                self._take(descriptor, created, checkpoint)
            finally:
                if self._descriptor < 0:
                    os.close(descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def _take(self, descriptor: int, created: bool, checkpoint: str) -> None:
        """Keep a file that was opened, locked; not one that was removed before it was locked.

        Nothing is written to it before it is known to be ours.
        """
        if not private_files.lock(descriptor):
            raise _locked_error(checkpoint, _holder(descriptor))
        if not private_files.is_at(descriptor, self._path):
            return
        if not created and (reason := private_files.not_private_reason(descriptor)):
            raise _foreign(checkpoint, self._path, reason)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock; again does nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # before it is unlocked: else it may be another's by then
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.release()


def _name(checkpoint: str) -> str:
    """Return the name of the lock of a checkpoint, which need not fit into that of a file.

    >>> _name("state.json"), len(_name(250 * "x"))
    ('.state.json.lock', 45)
    """
    name = f".{checkpoint}.lock"
    if len(os.fsencode(name)) <= _LONGEST:
        return name
    return f".evenly-{hashlib.blake2b(os.fsencode(checkpoint), digest_size=16).hexdigest()}.lock"


def _holder(descriptor: int) -> str:
    """Return the process that has written its number into a lock; nothing when none has."""
    text = (
        ""
        if private_files.not_private_reason(descriptor)
        else os.pread(descriptor, 20, 0).decode("latin-1")
    )
    return text if text.isascii() and text.isdecimal() else ""


def _locked_error(checkpoint: str, holder: str) -> SourceError:
    who = f"process {holder}" if holder else "another process"
    return SourceError(
        "A checkpoint is for one process at a time. "
        f"Received: {checkpoint!r}, which {who} is working with. Wait until it has ended, or "
        "take another checkpoint and merge the two."
    )


def _unopened(checkpoint: str, path: str, error: OSError) -> SourceError:
    if os.path.islink(path):
        return _foreign(checkpoint, path, "is a symbolic link")
    folder = os.path.dirname(path)
    reason = (error.strerror or str(error)).lower()
    return SourceError(
        f"A checkpoint must be in a folder that can be written. Received: {checkpoint!r}, and in "
        f"{folder!r} nothing can be written: {reason}. Choose another path, or create the folder."
    )


def _foreign(checkpoint: str, path: str, reason: str) -> SourceError:
    return SourceError(
        "The lock of a checkpoint must be a regular file of this user, with one name. Received: "
        f"{checkpoint!r}, whose lock {path!r} {reason}. Somebody else may have put it there: look "
        "at it and remove it, or choose a folder that only you can write."
    )
