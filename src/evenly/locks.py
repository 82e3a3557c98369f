"""Locks that a forked child has for itself, whatever its parent's threads were at."""

import os
import threading
from typing import TypeAlias
from weakref import WeakSet

Lock: TypeAlias = "threading.RLock"

_locks: "WeakSet[threading.RLock]" = WeakSet()


def fork_safe_lock() -> "threading.RLock":
    """Return a reentrant lock that is free in a child process.

    A thread that holds a lock while another one forks does not exist in the child, where nobody
    would ever release it. What the lock guards must be consistent at every moment, for the child
    may see it as that thread left it.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _release_in_child() -> None:
    for lock in _locks:
        lock._at_fork_reinit()  # type: ignore[attr-defined] # what the standard library does


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
