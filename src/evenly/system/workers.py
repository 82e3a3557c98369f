"""Threads that are always joined, also when a signal arrives.

A thread that still runs while Python shuts down is terminated when it acquires the GIL. With C++
frames on its stack that aborts the process: "terminate called without an active exception".
"""

import atexit
import threading
from collections.abc import Callable
from typing import TypeVar

from evenly.system.signals import DeferredSignals

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""Interval in seconds at which a joining caller runs signal handlers."""


class ThreadGroup:
    """A group of threads that run one function.

    The threads are daemons, so that a thread whose caller never joins it does not keep the
    process alive; threads that remain when Python exits are stopped and joined.

    Parameters
    ----------
    work
        Function that each thread runs; it must not raise.
    number
        Number of threads.
    stop
        Function that makes `work` return soon; it may be called several times.
    """

    def __init__(self, work: Callable[[], None], number: int, stop: Callable[[], None]) -> None:
        self._threads = [
            threading.Thread(target=work, name="evenly", daemon=True) for _ in range(number)
        ]
        self._stop = stop
        self._started: list[threading.Thread] = []

    def start(self) -> int:
        """Start the threads; return how many were started, fewer if the system has no more."""
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

        If a signal handler raises in the meantime, the threads are stopped and joined first; an
        exception of a second signal propagates immediately.
        """
        with DeferredSignals() as signals:
            try:
                self._join(signals)
            except BaseException:
                self._stop()
                self._join(signals)
                raise

    def end(self) -> None:
        """Stop the threads and wait until they have ended."""
        with DeferredSignals() as signals:
            self._stop()
            self._join(signals)

    def _join(self, signals: DeferredSignals) -> None:
        for thread in self._started:
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
                signals.raise_pending()
        _unfinished.discard(self)


def outside_main_thread(work: Callable[[], T]) -> T:
    """Call a function that must not run in the main thread, and return its result.

    Some libraries, such as PyArrow's readers, replace signal handlers while they run in the main
    thread. In the main thread `work` runs in a new thread, otherwise in the current one.
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
