"""When to save: often enough to lose little, seldom enough to cost little."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL = 3.0
"""Seconds of work that a kill may cost, where saving is cheap."""
MAX_SHARE = 50
"""Saving takes at most one part in so many of the time."""
SECONDS_PER_COLUMN = 8e-6
"""Seconds that a column takes to be saved, until it has been measured: a million take 8 s."""


class SaveSchedule:
    """Says when to save, by what the last save took.

    Parameters
    ----------
    clock
        Seconds, as `time.monotonic` gives them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._cost = 0.0

    def due(self, columns: int, *, least: float | None = None) -> bool:
        """Whether to save now; never before `least` seconds, `INTERVAL` by default."""
        cost = self._cost or SECONDS_PER_COLUMN * columns
        wait = max(INTERVAL if least is None else least, MAX_SHARE * cost)
        return self._clock() - self._last >= wait

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure a save."""
        start = self._clock()
        yield
        self._last = self._clock()
        self._cost = self._last - start
