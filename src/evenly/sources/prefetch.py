"""Read ahead: decode the next item while the current one is processed."""

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from evenly.system.workers import ThreadGroup

T = TypeVar("T")

_DEPTH = 1


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items of an iterator that runs one item ahead in a separate thread.

    At most two items are alive in addition to the one being produced, which bounds the memory. An
    exception is raised in the place of its item. When the consumer stops early, the thread ends
    and the iterator is closed before the generator is.
    """
    ahead = _Ahead(items)
    workers = ThreadGroup(ahead.work, 1, ahead.stop)
    try:
        if not workers.start():
            yield from ahead.items()
            return
        while True:
            item, error = ahead.ready.get()
            if isinstance(error, _ExhaustedError):
                return
            if error is not None:
                raise error
            ahead.permits.put(None)
            yield item  # type: ignore[misc]
            del item
    finally:
        workers.end()


class _ExhaustedError(Exception):
    """Marks the end of the items."""


class _Ahead(Generic[T]):
    """State shared by the thread and the consumer.

    Its queues are implemented in C, so an exception in a signal handler cannot corrupt them.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._stopped = False
        self.ready: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self.permits: SimpleQueue[None] = SimpleQueue()
        """One entry for each item that may be produced before it is requested."""
        for _ in range(_DEPTH):
            self.permits.put(None)

    def items(self) -> Generator[T]:
        """Yield the items without a thread."""
        try:
            for item in self._items:
                yield item
                del item
        finally:
            self._close()

    def work(self) -> None:
        """Produce items until the iterator ends or the consumer stops."""
        end: BaseException = _ExhaustedError()
        try:
            for item in self._items:
                self.permits.get()
                if self._stopped:
                    break
                self.ready.put((item, None))
                del item
        except BaseException as error:
            end = error
        try:
            self._close()
        except BaseException as error:
            end = error
        self.ready.put((None, end))

    def _close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def stop(self) -> None:
        """Make the thread end after the item that it is producing."""
        self._stopped = True
        self.permits.put(None)
