"""Signal handlers that run between two steps of ours, and not in the middle of one."""

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
"""Those for which people install handlers that raise: Ctrl-C, the end, a time limit."""


class DeferredSignals:
    """Hold back the handlers of signals within the context.

    Python runs a handler between any two bytecodes of the main thread, and what it raises
    (`KeyboardInterrupt` as a rule) then comes out of there. Some code of the standard library is
    not made for that: before Python 3.13 a `threading.Thread.join` that is left by an exception
    marks its thread as ended while it still runs, and a `threading.Condition` may stay locked.
    Within the context a signal is only noted; `raise_pending` runs the handlers of those noted,
    and so does the end of the context. Signals without a handler in Python act as always. Outside the
    main thread, in which Python runs handlers, the context does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._noted: deque[tuple[int, FrameType | None]] = deque()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            try:
                for number in _SIGNALS:
                    handler = signal.getsignal(number)
                    if callable(handler):
                        self._before[number] = handler
                        signal.signal(number, self._note)
            except BaseException:  # one that came before all were held
                self._restore()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._restore()
        except BaseException:  # of a handler that is back already
            self._restore()
            raise
        self.raise_pending()

    def _restore(self) -> None:
        """Put the handlers back, except where somebody has installed another one meanwhile."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append((number, frame))

    def raise_pending(self) -> None:
        """Run the handlers of the signals noted so far; what one raises goes through."""
        while self._noted:
            number, frame = self._noted.popleft()
            self._before[number](number, frame)
