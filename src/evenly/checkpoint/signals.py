"""Ctrl-C waits until the sums agree with the ledger."""

from types import FrameType

from evenly.system.signals import HeldSignals


class Interruption(HeldSignals):
    """Holds back what would raise an exception in the middle of a step.

    Within the context the first signal is only noted: whoever works asks `asked` where it is
    safe, and calls `deliver`. The second one goes through at once. Signals that end the
    process without Python (SIGTERM by default) are left alone, and so is everything outside of
    the main thread, where Python handles none.
    """

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return bool(self._noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.asked
        self._noted.clear()
        super()._note(number, frame)
        if again:
            self._restore()
            self.deliver()
