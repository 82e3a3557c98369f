"""Reading ahead: the next piece is decoded while the current one is summed."""

import threading
from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

_DEPTH = 1
_PATIENCE = 0.1


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items of an iterator that runs in a thread of its own, one ahead.

    Two items are alive at a time besides the one being made: that bounds the memory. An
    exception is raised where its item would have come. When the consumer stops early, the
    thread ends, and the iterator is closed, before the generator is.
    """
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(_DEPTH)
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(items, queue, stop), name="evenly", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, _EndError):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
            del item
    finally:
        stop.set()
        while thread.is_alive():
            _drain(queue)
            thread.join(_PATIENCE)


class _EndError(Exception):
    """No more items."""


def _run(
    items: Iterator[T],
    queue: "Queue[tuple[T | None, BaseException | None]]",
    stop: threading.Event,
) -> None:
    try:
        for item in items:
            if not _put(queue, (item, None), stop):
                break
            del item
        end: BaseException = _EndError()
    except BaseException as error:
        end = error
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(queue, (None, end), stop)


def _put(
    queue: "Queue[tuple[T | None, BaseException | None]]",
    item: tuple[T | None, BaseException | None],
    stop: threading.Event,
) -> bool:
    """Wait for room; False when nobody wants it any more."""
    while not stop.is_set():
        try:
            queue.put(item, timeout=_PATIENCE)
            return True
        except Full:
            continue
    return False


def _drain(queue: "Queue[tuple[T | None, BaseException | None]]") -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass
