"""Tasks side by side: threads take one after the other."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from evenly.system.workers import ThreadGroup

T = TypeVar("T")


def run_tasks(tasks: Iterator[Iterable[T]], consume: Callable[[T], object], threads: int) -> None:
    """Hand each item of each task to `consume`; the items of a task in order, on one thread.

    `tasks` is asked for the next one by one thread at a time, in order. When tasks fail, the
    first one's exception is raised, as if they had been done one after the other: those before
    it end, and those after it stop.
    """
    if threads == 1:
        for task in tasks:
            for item in task:
                consume(item)
                del item  # so that its memory is free when the next one is made
        return
    crew = _WorkerPool(tasks, consume)
    workers = ThreadGroup(crew.work, threads, crew.stop)
    try:
        if not workers.start():
            crew.work()
        workers.join()
    except BaseException:
        workers.end()
        raise
    if crew.error is not None:
        raise crew.error


class _WorkerPool:
    """What the threads share."""

    def __init__(self, tasks: Iterator[Iterable[T]], consume: Callable[[T], object]) -> None:
        self._tasks = tasks
        self._asked = 0
        self._consume = consume
        self._lock = threading.Lock()
        self._end = float("inf")  # tasks from this one on are not wanted any more
        self.error: BaseException | None = None

    def work(self) -> None:
        """Do tasks until there are no more."""
        number = 0
        try:
            while True:
                with self._lock:
                    if self._end < float("inf"):
                        return
                    number, self._asked = self._asked, self._asked + 1
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
        """End all tasks at their next item."""
        self._end = -1

    def _fail(self, number: int, error: BaseException) -> None:
        with self._lock:
            if number < self._end:
                self._end, self.error = number, error
