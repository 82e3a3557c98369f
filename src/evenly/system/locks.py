"""Locks that a forked child has for itself, whatever its parent's threads were at."""

import os
import threading


class ForkSafeLock:
    """A reentrant lock that is free in a child process.

    A thread that holds a lock while another one forks does not exist in the child, where nobody
    would ever release it. So a child gets another lock. What the lock guards must be consistent at
    every moment, for the child may see it as that thread left it.

    >>> guard = ForkSafeLock()
    >>> with guard.lock:
    ...     pass
    """

    __slots__ = ("_forks", "_lock")

    # No registry of all locks: its weak references would run Python code wherever a lock ends, and
    # an exception that a signal's handler raises there is lost.

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
"""How many forks there are between this process and the first one."""
_replacing = threading.Lock()


def _count_fork() -> None:
    global _forks, _replacing
    _forks += 1
    _replacing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
