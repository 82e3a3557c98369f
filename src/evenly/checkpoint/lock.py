"""One process at a time works with a checkpoint."""

import contextlib
import os

from evenly.errors import SourceError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


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
        self._path = os.path.join(folder, f".{name}.lock")
        self._descriptor = -1
        if fcntl is not None:
            self._acquire(checkpoint)

    def _acquire(self, checkpoint: str) -> None:
        while self._descriptor < 0:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise _unwritable(checkpoint, error) from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace")
                os.close(descriptor)
                raise _taken(checkpoint, holder) from None
            if self._is_there(descriptor):
                self._descriptor = descriptor
            else:  # it was removed between opening and locking
                os.close(descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def _is_there(self, descriptor: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        return False

    def release(self) -> None:
        """Let go of the lock; again does nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # before it is unlocked: else it may be another's by then
            os.close(self._descriptor)
            self._descriptor = -1


def _taken(checkpoint: str, holder: str) -> SourceError:
    who = f"process {holder}" if holder else "another process"
    return SourceError(
        "A checkpoint is for one process at a time. "
        f"Received: {checkpoint!r}, which {who} is working with. Wait until it has ended, or "
        "take another checkpoint and merge the two."
    )


def _unwritable(checkpoint: str, error: OSError) -> SourceError:
    folder = os.path.dirname(os.path.realpath(checkpoint))
    reason = (error.strerror or str(error)).lower()
    return SourceError(
        f"A checkpoint must be in a folder that can be written. Received: {checkpoint!r}, and in "
        f"{folder!r} nothing can be written: {reason}. Choose another place, or create the folder."
    )
