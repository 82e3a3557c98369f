"""A rolling window: the moments of the last days, or of the last batches."""

from collections import deque
from datetime import timedelta
from typing import Any

from evenly.errors import DataError
from evenly.moments import Moments


class Window:
    """The moments of the newest parts: each one that comes in lets the oldest one go.

    A part is what comes at a time: a day, a batch. The moments are those of the parts in the
    window and of nothing else, bit for bit, however long it has been rolling: sums are exact,
    so nothing drifts, and min and max are exact too.

    Parameters
    ----------
    size
        How many parts; or a time span, and then each part comes with its time.

    Notes
    -----
    Subtracting the oldest part from a running sum would give the same sums, but min and max
    cannot be subtracted. So the parts are kept in two stacks, whose sums are known: appending
    adds to the one, and the other, turned over when it is empty, has for each of its parts the
    sum of it and all newer ones in that stack.
    That takes three additions a part on average, and two states more than there are parts. A
    window of days comes back from their files: append `evenly.load` of each.

    Examples
    --------
    >>> import evenly
    >>> window = evenly.Window(2)
    >>> for day in ([[1.0]], [[2.0]], [[6.0]]):
    ...     window.append(evenly.fit(day))
    >>> len(window), window.moments.mean, window.moments.min
    (2, array([4.]), array([2.]))
    """

    def __init__(self, size: int | timedelta) -> None:
        self._size = _checked(size)
        self._times: deque[Any] = deque()
        self._older: list[Moments] = []  # sums from each part on, the oldest one last
        self._newer: list[Moments] = []  # parts
        self._sum = Moments.empty()  # of the newer parts

    @property
    def size(self) -> int | timedelta:
        """How many parts, or for how long."""
        return self._size

    @property
    def moments(self) -> Moments:
        """The moments of all parts in the window; moments of their own, of no rows at first."""
        return self._older[-1] + self._sum if self._older else self._sum.copy()

    def __len__(self) -> int:
        """Return the number of parts in the window."""
        return len(self._older) + len(self._newer)

    def __repr__(self) -> str:
        """Return what it is, and what is in it."""
        parts = f"{len(self)} part{'s' * (len(self) != 1)}"
        return f"Window({self._size!r}) of {parts}\n{self.moments!r}"

    def append(self, part: Any, *, time: Any = None) -> None:
        """Add a part, and let go of what is too old now. A part that is refused changes nothing.

        Parameters
        ----------
        part
            Moments; or rows: whatever `Moments.update` takes.
        time
            When it was, for a window of a time span: a `datetime`, a date, a pandas or NumPy
            time. Not before the part that came last. Parts that are as old as the span, by the
            time of this one, or older, are let go.

        Raises
        ------
        DataError
            When the time is missing or goes back.
        ColumnError
            When the part has other columns than those in the window.
        """
        self._check_time(time)
        new = part.copy() if isinstance(part, Moments) else Moments.empty().update(part)
        total = self._sum + new
        _ = self._older[-1] + total if self._older else total  # the columns of all must agree
        self._newer.append(new)
        self._times.append(time)
        self._sum = total
        while self._is_too_old(self._times[0]):
            self._let_go()

    def _is_too_old(self, time: Any) -> bool:
        if isinstance(self._size, int):
            return len(self) > self._size
        return bool(self._times[-1] - time >= self._size)

    def _let_go(self) -> None:
        """Take the oldest part out."""
        if not self._older:
            self._turn_over()
        self._older.pop()
        self._times.popleft()

    def _turn_over(self) -> None:
        """Make the newer parts the older ones."""
        total = Moments.empty()
        while self._newer:
            total = self._newer.pop() + total
            self._older.append(total)
        self._sum = Moments.empty()

    def _check_time(self, time: Any) -> None:
        if isinstance(self._size, int):
            if time is not None:
                raise DataError(
                    "time= is for a window of a time span. Received: a time, and a window of "
                    f"{self._size} parts. Leave it away, or make Window(timedelta(days=...))."
                )
            return
        if time is None:
            raise DataError(
                "Each part of a window of a time span needs its time. Received: none. Pass "
                "time=, a datetime for example."
            )
        if self._times and time < self._times[-1]:
            raise DataError(
                f"Parts must come in the order of time. Received: {time} after "
                f"{self._times[-1]}. Sort them first."
            )


def _checked(size: Any) -> int | timedelta:
    if isinstance(size, timedelta) and size > timedelta(0):
        return size
    if hasattr(size, "__index__") and not isinstance(size, bool) and size.__index__() > 0:
        return int(size.__index__())
    raise DataError(
        "A window's size must be a number of parts, 1 or more, or a time span. "
        f"Received: {size!r}. Pass 30, or timedelta(days=30)."
    )
