"""Ctrl-C waits until the sums agree with the ledger."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Holds back what would raise an exception in the middle of a step.

    Within the context the first signal is only noted: whoever works asks `asked` where it is
    safe, and calls `deliver`. The second one goes through at once. Signals that end the
    process without Python (SIGTERM by default) are left alone, and so is everything outside of
    the main thread, where Python handles none.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._noted: tuple[int, FrameType | None] = (signal.SIGINT, None)

    def __enter__(self) -> "Interruption":
        """Begin to hold signals back."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Put the handlers back that were there before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = number, frame
        if self.asked:
            self.deliver()
        self.asked = True

    def deliver(self) -> None:
        """Do what the signal would have done: raise `KeyboardInterrupt`, as a rule."""
        number, frame = self._noted
        handler = self._before[number]
        self.__exit__()
        handler(number, frame)
