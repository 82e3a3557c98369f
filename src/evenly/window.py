"""Rolling windows: the moments of the most recent days or batches."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from evenly.distribution.option import most_bins
from evenly.errors import DataError, UnsupportedTypeError
from evenly.moments import Moments
from evenly.printable import counted

_PER_NANOSECOND = {"ns": 1, "ps": 10**3, "fs": 10**6, "as": 10**9}


@dataclass(frozen=True, slots=True)
class _Parts:
    """The contents of a window; each change replaces the object.

    An exception raised by a signal handler therefore leaves either the old contents or the new
    ones. After an interrupted change the lists may have extra entries, which are ignored.

    Attributes
    ----------
    older
        For each older part, its time and the moments of it and all later older parts; the oldest
        part is last.
    newer
        Time and moments of each newer part; the newest part is last.
    number_older, number_newer
        Number of valid entries of these lists.
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
        """Return the time of the last part; None if the window is empty."""
        if self.number_newer:
            return self.newer[self.number_newer - 1][0]
        return self.older[0][0] if self.number_older else None

    def total(self) -> Moments:
        """Return the moments of all parts."""
        if not self.number_older:
            return self.newer_sum.copy()
        return self.older[self.number_older - 1][1] + self.newer_sum

    def with_newest(self, time: object, moments: Moments) -> "_Parts":
        """Return the contents with one more part."""
        total = self.newer_sum + moments
        del self.newer[self.number_newer :]
        self.newer.append((time, moments))
        return replace(self, number_newer=self.number_newer + 1, newer_sum=total)

    def without_oldest(self) -> "_Parts":
        """Return the contents without the oldest part; there must be an older part."""
        return replace(self, number_older=self.number_older - 1)

    def _flip(self) -> "_Parts":
        """Return the same contents; if no part is older, move all newer parts there."""
        if self.number_older:
            return self
        older = []
        total = Moments.empty()
        for time, moments in reversed(self.newer[: self.number_newer]):
            total = moments + total
            older.append((time, total))
        return _Parts(older, [], self.number_newer, 0, Moments.empty())


class Window:
    """The moments of the most recent parts; each new part evicts the oldest one.

    A part is a unit of data, such as a day or a batch. The moments are bit for bit those of the
    parts in the window, however long it has been rolling: sums are exact, so nothing drifts, and
    min and max are exact too.

    Parameters
    ----------
    size
        Number of parts, or a time span; with a time span each part needs a time.
    distribution
        Whether to keep the distribution of rows that are appended, as in `evenly.fit`. Moments
        that are appended must then have distributions as well.

    Notes
    -----
    Subtracting the oldest part from a running sum would give the same sums, but min and max
    cannot be subtracted. So the parts are kept in two stacks with known sums: a new part is
    pushed to one stack; the other stack, refilled from the first when it is empty, stores for
    each part the sum of it and all newer parts in that stack. This takes three additions per part
    on average, and two states in addition to those of the parts. To restore a window of days,
    append `evenly.load` of the file of each day.

    Examples
    --------
    >>> import evenly
    >>> window = evenly.Window(2)
    >>> for day in ([[1.0]], [[2.0]], [[6.0]]):
    ...     window.append(evenly.fit(day))
    >>> len(window), window.moments.mean, window.moments.min
    (2, array([4.]), array([2.]))
    """

    def __init__(self, size: int | timedelta, *, distribution: bool | int = False) -> None:
        self._size = _check_size(size)
        self._bins = most_bins(distribution)
        self._parts = _Parts([], [], 0, 0, Moments.empty())

    @property
    def size(self) -> int | timedelta:
        """The number of parts, or the time span."""
        return self._size

    @property
    def moments(self) -> Moments:
        """A copy of the moments of all parts in the window; without rows if it is empty."""
        return self._parts.total()

    def __len__(self) -> int:
        """Return the number of parts in the window."""
        return len(self._parts)

    def __repr__(self) -> str:
        """Return the size, the number of parts and the moments as text."""
        return f"Window({self._size!r}) of {counted(len(self), 'part')}\n{self.moments!r}"

    def append(self, part: object, *, time: object = None) -> None:
        """Append a part and evict expired parts. A failed call changes nothing.

        Parameters
        ----------
        part
            Moments, or rows that `Moments.update` accepts.
        time
            The time of the part, for a window of a time span: a `datetime`, a date, a pandas or
            NumPy time, not before the time of the last part. Parts whose age at this time is at
            least the span are evicted.

        Raises
        ------
        DataError
            When the time is missing or earlier than the last one.
        UnsupportedTypeError
            When it is no time, or of another type than the last one.
        ColumnError
            When the columns differ from those in the window.
        """
        time = self._check_time(time)
        new = part.copy() if isinstance(part, Moments) else self._fit(part)
        parts = self._parts.with_newest(time, new)
        parts.total()  # raises if the columns of older parts differ
        parts = parts._flip()
        while self._is_expired(parts, time):
            parts = parts.without_oldest()._flip()
        self._parts = parts
        del parts.older[parts.number_older :]

    def _fit(self, rows: object) -> Moments:
        return Moments.empty(distribution=self._bins).update(rows)

    def _is_expired(self, parts: _Parts, now: object) -> bool:
        """Return whether the oldest part is expired when the newest part has this time."""
        if isinstance(self._size, int):
            return len(parts) > self._size
        oldest, _ = parts.older[parts.number_older - 1]
        return _is_at_least(_age(now, oldest), self._size)

    def _check_time(self, time: object) -> object:
        """Return the time of a new part, after checking it."""
        if isinstance(self._size, int):
            if time is not None:
                raise DataError(
                    "time= requires a window with a time span. Received: a time, and a window of "
                    f"{self._size} parts. Omit it, or create Window(timedelta(days=...))."
                )
            return None
        if time is None:
            raise DataError(
                "A window with a time span needs the time of each part. Received: no time. Pass "
                "time=, for example a datetime."
            )
        time = _parse_time(time, self._size)
        newest = self._parts.newest_time()
        if newest is not None and not _is_at_least(_age(time, newest), timedelta()):
            raise DataError(
                f"Parts must be appended in order of time. Received: {time} after {newest}. "
                "Sort them first."
            )
        return time


def _parse_time(time: Any, size: timedelta) -> object:
    """Return a time whose differences are time spans: months of NumPy as their first days."""
    if isinstance(time, np.datetime64) and np.datetime_data(time.dtype)[0] in ("Y", "M"):
        time = time.astype("datetime64[D]")
    try:
        is_known = bool(time == time)  # NaT is not equal to itself
        if is_known:
            _is_at_least(time - time, size)
    except (TypeError, ValueError):
        raise UnsupportedTypeError(
            "The time of a part must be a datetime, a date, or a time of pandas or NumPy. "
            f"Received: {time!r}. Pass time=datetime.fromtimestamp(seconds) for a number, or "
            "time=datetime.fromisoformat(text) for text."
        ) from None
    if not is_known:
        raise DataError(
            f"The time of a part must be known. Received: {time!r}. Leave the part out, or pass "
            "its time."
        )
    return time


def _age(now: Any, before: Any) -> Any:
    """Return the difference of two times."""
    try:
        return now - before
    except TypeError:
        raise UnsupportedTypeError(
            "The times of a window must be of one type, with time zones or without. Received: "
            f"{now!r} after {before!r}. Convert them, for example to datetime."
        ) from None


def _is_at_least(age: Any, span: timedelta) -> bool:
    """Return whether a difference of times is at least a time span."""
    if isinstance(age, np.timedelta64):
        unit, step = np.datetime_data(age.dtype)
        if unit in _PER_NANOSECOND:  # Python has no such time span
            nanoseconds = span // timedelta(microseconds=1) * 1000
            nanoseconds += getattr(span, "nanoseconds", 0)  # of pandas
            return int(age.astype(np.int64)) * step >= nanoseconds * _PER_NANOSECOND[unit]
        age = age.item()
    return bool(age >= span)


def _check_size(size: object) -> int | timedelta:
    if isinstance(size, timedelta) and size > timedelta(0):
        return size
    if hasattr(size, "__index__") and not isinstance(size, bool) and size.__index__() > 0:
        return int(size.__index__())
    raise DataError(
        "The size of a window must be a positive number of parts or a positive time span. "
        f"Received: {size!r}. Pass 30, or timedelta(days=30)."
    )
