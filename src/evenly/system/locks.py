"""Locks that are free in a forked child, whatever the threads of its parent held."""

import os
import threading


class ForkSafeLock:
    """A reentrant lock that is free in a forked child process.

    If a thread holds a lock while another thread forks, it does not exist in the child and cannot
    release the lock there. So a child gets a new lock. The data that the lock guards must be
    consistent at every moment, since the child may see them as that thread left them.

    >>> guard = ForkSafeLock()
    >>> with guard.lock:
    ...     pass
    """

    __slots__ = ("_forks", "_lock")

    # No registry of all locks: its weak references would run Python code wherever a lock is
    # destroyed, and an exception raised there by a signal handler is lost.

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forks = _forks

    @property
    def lock(self) -> "threading.RLock":
        """The lock of this process."""
        if self._forks != _forks:
            with _replacing:
                if self._forks != _forks:
                    self._lock, self._forks = threading.RLock(), _forks
        return self._lock


_forks = 0
"""Number of forks between the first process and this one."""
_replacing = threading.Lock()


def _count_fork() -> None:
    global _forks, _replacing
    _forks += 1
    _replacing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
