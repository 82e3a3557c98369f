"""Defer Ctrl-C until the sums agree with the manifest."""

from types import FrameType

from evenly.system.signals import DeferredSignals


class InterruptRequest(DeferredSignals):
    """Defer signals whose handlers would raise an exception in the middle of a step.

    Within the context the first signal is only recorded: the fit checks `pending` where it can
    stop, and calls `raise_pending`. The second signal is handled immediately. Signals without a
    Python handler (SIGTERM by default) are not deferred. Outside of the main thread, where Python
    handles no signals, the context has no effect.
    """

    @property
    def pending(self) -> bool:
        """Whether a signal was received."""
        return bool(self._noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        is_second = self.pending
        self._noted.clear()
        super()._note(number, frame)
        if is_second:
            self._restore()
            self.raise_pending()
