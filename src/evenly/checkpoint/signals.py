"""Ctrl-C waits until the sums agree with the ledger."""

from types import FrameType

from evenly.system.signals import DeferredSignals


class InterruptRequest(DeferredSignals):
    """Holds back what would raise an exception in the middle of a step.

    Within the context the first signal is only noted: whoever works asks `pending` where it is
    safe, and calls `raise_pending`. The second one goes through at once. Signals that end the
    process without Python (SIGTERM by default) are left alone, and so is everything outside of
    the main thread, where Python handles none.
    """

    @property
    def pending(self) -> bool:
        """Whether a signal has come."""
        return bool(self._noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.pending
        self._noted.clear()
        super()._note(number, frame)
        if again:
            self._restore()
            self.raise_pending()
