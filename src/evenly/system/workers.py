"""Threads that are always waited for, whatever signal comes meanwhile.

A thread that still runs while Python ends dies where it asks for Python's lock. Beneath C++ code
that ends the process: "terminate called without an active exception".
"""

import atexit
import threading
from collections.abc import Callable
from typing import TypeVar

from evenly.system.signals import DeferredSignals

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""Seconds after which the caller, who waits for a thread, runs the handlers of signals."""


class ThreadGroup:
    """Threads that run one function.

    They are daemons, so that one that waits for a caller who has forgotten it does not keep the
    process alive; those that are left when Python ends are stopped and waited for.

    Parameters
    ----------
    work
        What each thread runs; it must not raise.
    number
        How many threads.
    stop
        Asks `work` to return soon; may be called again.
    """

    def __init__(self, work: Callable[[], None], number: int, stop: Callable[[], None]) -> None:
        self._threads = [
            threading.Thread(target=work, name="evenly", daemon=True) for _ in range(number)
        ]
        self._stop = stop
        self._started: list[threading.Thread] = []

    def start(self) -> int:
        """Start the threads; return how many, fewer than asked for where the system has no more."""
        with DeferredSignals():
            _unfinished.add(self)
            for thread in self._threads:
                try:
                    thread.start()
                except RuntimeError:  # "can't start new thread"
                    break
                self._started.append(thread)
        return len(self._started)

    def join(self) -> None:
        """Wait until all threads have ended.

        When the handler of a signal raises meanwhile, the threads are stopped first, and waited
        for; a second signal goes through at once.
        """
        with DeferredSignals() as held:
            try:
                self._join(held)
            except BaseException:
                self._stop()
                self._join(held)
                raise

    def end(self) -> None:
        """Stop the threads and wait until they have ended."""
        with DeferredSignals() as held:
            self._stop()
            self._join(held)

    def _join(self, held: DeferredSignals) -> None:
        for thread in self._started:
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
                held.raise_pending()
        _unfinished.discard(self)


def outside_main_thread(work: Callable[[], T]) -> T:
    """Return what a function returns that must not run in the main thread, as PyArrow's readers.

    In the main thread some libraries take over signals for as long as they work. The function
    runs in a thread of its own then, else in this one.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    workers = ThreadGroup(run, 1, lambda: None)
    try:
        if not workers.start():
            run()
        workers.join()
    except BaseException:
        workers.end()
        raise
    if errors:
        raise errors.pop()
    return results.pop()


_unfinished: set[ThreadGroup] = set()


@atexit.register
def _end_all() -> None:
    for workers in list(_unfinished):
        workers.end()
