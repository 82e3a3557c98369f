"""Lock a checkpoint, so that only one process uses it at a time."""

import contextlib
import hashlib
import os

from evenly.errors import SourceError, system_message
from evenly.system import private_files
from evenly.system.signals import DeferredSignals

_MAX_NAME = 255
"""Maximum length of a file name in bytes, on most file systems."""


class Lock:
    """A lock on a file next to the checkpoint.

    The checkpoint itself is not locked, since each save replaces it. The system releases the lock
    when the process ends, also by ``kill -9``: a lock file that was left behind has no effect. On
    systems without such locks, nothing is locked.

    Parameters
    ----------
    checkpoint
        The path of the checkpoint.

    Raises
    ------
    SourceError
        When another process holds the lock, or the lock file cannot be created.
    """

    _descriptor = -1  # also of an object whose construction was interrupted

    def __init__(self, checkpoint: str) -> None:
        folder, name = os.path.split(os.path.realpath(checkpoint))
        self._path = os.path.join(folder, _lock_name(name))
        if private_files.CAN_LOCK:
            self._acquire(checkpoint)

    def _acquire(self, checkpoint: str) -> None:
        while self._descriptor < 0:
            try:
                descriptor, created = private_files.open_or_create(self._path, 0o666)
            except OSError as error:
                raise _open_error(checkpoint, self._path, error) from None
            try:
                self._lock_file(descriptor, created, checkpoint)
            finally:
                if self._descriptor < 0:
                    os.close(descriptor)
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:  # the disk is full
            self.release()
            raise _open_error(checkpoint, self._path, error) from None

    def _lock_file(self, descriptor: int, created: bool, checkpoint: str) -> None:
        """Lock an open file, and keep it unless it was removed before it was locked.

        Nothing is written to the file before it is known to be a private file of this user.
        """
        if not private_files.lock(descriptor):
            raise _locked_error(checkpoint, _holder(descriptor))
        if not private_files.is_at(descriptor, self._path):
            return
        if not created and (reason := private_files.not_private_reason(descriptor)):
            raise _not_private_error(checkpoint, self._path, reason)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock; further calls have no effect."""
        if self._descriptor < 0:
            return
        with DeferredSignals():  # a second call must not close a descriptor of another file
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # first: once unlocked, another process may have locked it
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.release()


def _lock_name(checkpoint: str) -> str:
    """Return the name of the lock file, with a digest if the name would be too long.

    >>> _lock_name("state.json"), len(_lock_name(250 * "x"))
    ('.state.json.lock', 45)
    """
    name = f".{checkpoint}.lock"
    if len(os.fsencode(name)) <= _MAX_NAME:
        return name
    return f".evenly-{hashlib.blake2b(os.fsencode(checkpoint), digest_size=16).hexdigest()}.lock"


def _holder(descriptor: int) -> str:
    """Return the process number written in a lock file, or an empty string."""
    text = (
        ""
        if private_files.not_private_reason(descriptor)
        else os.pread(descriptor, 20, 0).decode("latin-1")
    )
    return text if text.isascii() and text.isdecimal() else ""


def _locked_error(checkpoint: str, holder: str) -> SourceError:
    who = f"process {holder}" if holder else "another process"
    return SourceError(
        "A checkpoint can be used by only one process at a time. "
        f"Received: {checkpoint!r}, which {who} is using. Wait until it has ended, or "
        "use another checkpoint and merge the two."
    )


def _open_error(checkpoint: str, path: str, error: OSError) -> SourceError:
    if os.path.islink(path):
        return _not_private_error(checkpoint, path, "is a symbolic link")
    folder = os.path.dirname(path)
    return SourceError(
        f"A checkpoint must be in a writable folder. Received: {checkpoint!r}, and "
        f"{folder!r} cannot be written: {system_message(error)}. Choose another path, or create "
        "the folder."
    )


def _not_private_error(checkpoint: str, path: str, reason: str) -> SourceError:
    return SourceError(
        "The lock of a checkpoint must be a regular file of this user, with one name. Received: "
        f"{checkpoint!r}, whose lock {path!r} {reason}. Another user may have created it: inspect "
        "and remove it, or choose a folder that only you can write."
    )
