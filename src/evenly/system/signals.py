"""Defer signal handlers to safe points of the program."""

import signal
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""Signals whose handlers may raise: Ctrl-C, termination, time limits."""


class DeferredSignals:
    """Defer signal handlers within the context.

    Python runs a handler between any two bytecodes of the main thread, and an exception that it
    raises (usually `KeyboardInterrupt`) propagates from there. Some code of the standard library
    does not support that: before Python 3.13 a `threading.Thread.join` interrupted by an exception
    marks its thread as ended while it still runs, and a `threading.Condition` may stay locked.

    Within the context signals are only recorded; `raise_pending` and the end of the context run
    the handlers of recorded signals. Signals without a Python handler are not affected. Outside
    the main thread, where Python runs no handlers, the context does nothing.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._noted: deque[tuple[int, FrameType | None]] = deque()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            try:
                for number in _SIGNALS:
                    handler = signal.getsignal(number)
                    if callable(handler):
                        self._handlers[number] = handler
                        signal.signal(number, self._note)
            except BaseException:  # of a signal that arrived before all handlers were replaced
                self._restore()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._restore()
        except BaseException:  # of a handler that was restored already
            self._restore()
            raise
        self.raise_pending()

    def _restore(self) -> None:
        """Restore the handlers, except where another one was installed in the meantime."""
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append((number, frame))

    def raise_pending(self) -> None:
        """Run the handlers of the recorded signals; an exception of one propagates."""
        while self._noted:
            number, frame = self._noted.popleft()
            self._handlers[number](number, frame)
