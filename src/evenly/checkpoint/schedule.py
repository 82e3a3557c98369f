"""Decide when to save a checkpoint."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL = 3.0
"""Seconds between two saves while saving is cheap."""
MAX_SHARE = 50
"""Saving takes at most 1 / MAX_SHARE of the time."""
SECONDS_PER_COLUMN = 8e-6
"""Estimated seconds to save a column, used until a save has been measured."""


class SaveSchedule:
    """Decide when to save from the duration of the last save.

    Parameters
    ----------
    clock
        Returns the time in seconds, like `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._cost = 0.0

    def due(self, columns: int, *, least: float | None = None) -> bool:
        """Return whether to save now.

        Parameters
        ----------
        columns
            The number of columns, for an estimate before the first save.
        least
            The minimum time since the last save in seconds; None: `INTERVAL`.
        """
        cost = self._cost or SECONDS_PER_COLUMN * columns
        wait = max(INTERVAL if least is None else least, MAX_SHARE * cost)
        return self._clock() - self._last >= wait

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure the duration of a save."""
        start = self._clock()
        yield
        self._last = self._clock()
        self._cost = self._last - start
