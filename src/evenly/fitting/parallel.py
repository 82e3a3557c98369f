"""Run tasks in a pool of threads."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from evenly.system.workers import ThreadGroup

T = TypeVar("T")


def run_tasks(tasks: Iterator[Iterable[T]], consume: Callable[[T], object], threads: int) -> None:
    """Call `consume` with each item of each task.

    Each task is run by one thread, its items in order. Tasks are requested in order, by one thread
    at a time. When tasks fail, the exception of the first one is raised, as in a sequential run:
    earlier tasks are completed, later ones stop.

    Parameters
    ----------
    tasks
        The tasks, each an iterable of items.
    consume
        Called with each item.
    threads
        The number of threads; 1 runs the tasks in the calling thread.
    """
    if threads == 1:
        for task in tasks:
            for item in task:
                consume(item)
                del item  # so that its memory is free when the next one is made
        return
    pool = _WorkerPool(tasks, consume)
    workers = ThreadGroup(pool.work, threads, pool.stop)
    try:
        if not workers.start():
            pool.work()
        workers.join()
    except BaseException:
        workers.end()
        raise
    if pool.error is not None:
        raise pool.error


class _WorkerPool:
    """The state that the threads share."""

    def __init__(self, tasks: Iterator[Iterable[T]], consume: Callable[[T], object]) -> None:
        self._tasks = tasks
        self._next_number = 0
        self._consume = consume
        self._lock = threading.Lock()
        self._end = float("inf")  # tasks from this number on are stopped
        self.error: BaseException | None = None

    def work(self) -> None:
        """Run tasks until there are no more."""
        number = 0
        try:
            while True:
                with self._lock:
                    if self._end < float("inf"):
                        return
                    number, self._next_number = self._next_number, self._next_number + 1
                    task = next(self._tasks, None)
                if task is None:
                    return
                for item in task:
                    if number >= self._end:
                        return
                    self._consume(item)
                    del item
        except BaseException as error:
            self._fail(number, error)

    def stop(self) -> None:
        """Stop all tasks at their next item."""
        self._end = -1

    def _fail(self, number: int, error: BaseException) -> None:
        with self._lock:
            if number < self._end:
                self._end, self.error = number, error
