"""Reading ahead: the next piece is decoded while the current one is summed."""

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from evenly.system.workers import ThreadGroup

T = TypeVar("T")

_DEPTH = 1


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items of an iterator that runs in a thread of its own, one ahead.

    Two items are alive at a time besides the one being made: that bounds the memory. An
    exception is raised where its item would have come. When the consumer stops early, the
    thread ends, and the iterator is closed, before the generator is.
    """
    ahead = _Ahead(items)
    workers = ThreadGroup(ahead.work, 1, ahead.stop)
    try:
        if not workers.start():
            yield from ahead.items()
            return
        while True:
            item, error = ahead.made.get()
            if isinstance(error, _ExhaustedError):
                return
            if error is not None:
                raise error
            ahead.room.put(None)
            yield item  # type: ignore[misc]
            del item
    finally:
        workers.end()


class _ExhaustedError(Exception):
    """No more items."""


class _Ahead(Generic[T]):
    """What the thread and the consumer share.

    Its queues are made in C, so that an exception from a signal's handler leaves them whole.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._stopped = False
        self.made: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self.room: SimpleQueue[None] = SimpleQueue()
        """One entry for each item that may be made before it is asked for."""
        for _ in range(_DEPTH):
            self.room.put(None)

    def items(self) -> Generator[T]:
        """Yield the items where there is no thread to make them."""
        try:
            for item in self._items:
                yield item
                del item
        finally:
            self._close()

    def work(self) -> None:
        """Make items, until there are no more or nobody wants them."""
        end: BaseException = _ExhaustedError()
        try:
            for item in self._items:
                self.room.get()
                if self._stopped:
                    break
                self.made.put((item, None))
                del item
        except BaseException as error:
            end = error
        try:
            self._close()
        except BaseException as error:
            end = error
        self.made.put((None, end))

    def _close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def stop(self) -> None:
        """Let the thread end after the item that it is making."""
        self._stopped = True
        self.room.put(None)
