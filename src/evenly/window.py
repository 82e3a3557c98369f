"""A rolling window: the moments of the last days, or of the last batches."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from evenly.errors import DataError
from evenly.moments import Moments


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is in a window; each change puts another one in its place.

    So an exception that a signal's handler raises leaves the parts of before or those of after.
    The lists may have more entries than count, of a change that was interrupted.

    Attributes
    ----------
    older
        Of the older parts the time, and the moments of it and all after it; the oldest one last.
    newer
        Of the newer parts the time and the moments, the newest one last.
    number_older, number_newer
        How many entries of these lists count.
    newer_sum
        The moments of all newer parts.
    """

    older: list[tuple[Any, Moments]]
    newer: list[tuple[Any, Moments]]
    number_older: int
    number_newer: int
    newer_sum: Moments

    def __len__(self) -> int:
        return self.number_older + self.number_newer

    def newest_time(self) -> Any:
        """Return the time of the part that came last; None when there is none."""
        if self.number_newer:
            return self.newer[self.number_newer - 1][0]
        return self.older[0][0] if self.number_older else None

    def total(self) -> Moments:
        """Return the moments of all parts."""
        if not self.number_older:
            return self.newer_sum.copy()
        return self.older[self.number_older - 1][1] + self.newer_sum

    def with_newest(self, time: Any, moments: Moments) -> "_Parts":
        """Return the parts with one more."""
        total = self.newer_sum + moments
        del self.newer[self.number_newer :]
        self.newer.append((time, moments))
        return replace(self, number_newer=self.number_newer + 1, newer_sum=total)

    def without_oldest(self) -> "_Parts":
        """Return the parts without the one that came first, which must be an older one."""
        return replace(self, number_older=self.number_older - 1)

    def _flip(self) -> "_Parts":
        """Return the same parts; if there are no older ones, the newer ones are older now."""
        if self.number_older:
            return self
        older = []
        total = Moments.empty()
        for time, moments in reversed(self.newer[: self.number_newer]):
            total = moments + total
            older.append((time, total))
        return _Parts(older, [], self.number_newer, 0, Moments.empty())


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
        self._size = _check_size(size)
        self._parts = _Parts([], [], 0, 0, Moments.empty())

    @property
    def size(self) -> int | timedelta:
        """How many parts, or for how long."""
        return self._size

    @property
    def moments(self) -> Moments:
        """The moments of all parts in the window; moments of their own, of no rows at first."""
        return self._parts.total()

    def __len__(self) -> int:
        """Return the number of parts in the window."""
        return len(self._parts)

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
        parts = self._parts.with_newest(time, new)
        parts.total()  # the columns of all must agree
        parts = parts._flip()
        while self._is_expired(parts, time):
            parts = parts.without_oldest()._flip()
        self._parts = parts
        del parts.older[parts.number_older :]

    def _is_expired(self, parts: _Parts, now: Any) -> bool:
        """Whether the oldest part is to go, now that there is a part of this time."""
        if isinstance(self._size, int):
            return len(parts) > self._size
        oldest, _ = parts.older[parts.number_older - 1]
        return bool(now - oldest >= self._size)

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
        newest = self._parts.newest_time()
        if newest is not None and time < newest:
            raise DataError(
                f"Parts must come in the order of time. Received: {time} after {newest}. "
                "Sort them first."
            )


def _check_size(size: Any) -> int | timedelta:
    if isinstance(size, timedelta) and size > timedelta(0):
        return size
    if hasattr(size, "__index__") and not isinstance(size, bool) and size.__index__() > 0:
        return int(size.__index__())
    raise DataError(
        "A window's size must be a number of parts, 1 or more, or a time span. "
        f"Received: {size!r}. Pass 30, or timedelta(days=30)."
    )
