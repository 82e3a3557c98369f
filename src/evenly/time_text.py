"""Show the statistics of timestamps, dates, times of day and durations in tables."""

from datetime import UTC, datetime, timedelta

from evenly.columns import TIME_KINDS

_SECONDS = {"day": 86_400.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_MILLISECOND = 1e-3


def is_time(dtype: str) -> bool:
    """Return whether values are times in a unit: ``"timestamp[us]"``.

    >>> is_time("date[day]"), is_time("float64"), is_time("timestamp[us]|timestamp[ns]")
    (True, False, False)
    """
    kind, _, unit = dtype.partition("[")
    return kind in TIME_KINDS and unit.rstrip("]") in _SECONDS


def point_text(value: float, dtype: str) -> str | None:
    """Return a mean or an extreme as text; None if it is not between the years 1 and 9999.

    Timestamps are shown in UTC, to the millisecond.

    >>> point_text(1359608400.25, "timestamp[s]"), point_text(15736.0, "date[day]")
    ('2013-01-31 05:00:00.250', '2013-01-31')
    >>> point_text(15736.5, "date[day]"), point_text(3_600_000.0, "time[ms]")
    ('2013-01-31 12:00:00', '01:00:00')
    """
    kind = dtype.partition("[")[0]
    if kind == "duration":
        return duration_text(value, dtype)
    try:
        seconds = timedelta(milliseconds=round(_seconds(value, dtype) / _MILLISECOND))
        moment = datetime(1970, 1, 1, tzinfo=UTC) + seconds
    except (OverflowError, ValueError):  # also NaN
        return None
    digits = "milliseconds" if moment.microsecond else "seconds"
    day, clock = moment.date().isoformat(), moment.time().isoformat(digits)
    if kind == "time":
        return clock
    return day if kind == "date" and clock == "00:00:00" else f"{day} {clock}"


def duration_text(value: float, dtype: str) -> str | None:
    """Return a duration, such as a standard deviation, as text; None if it is too long.

    >>> duration_text(37.4166, "timestamp[s]"), duration_text(1.5, "date[day]")
    ('37.4166 s', '1 day, 12:00:00')
    """
    seconds = _seconds(value, dtype)
    if abs(seconds) < 60:
        return f"{seconds:.6g} s"
    try:
        sign = "-" if seconds < 0 else ""
        return f"{sign}{timedelta(seconds=round(abs(seconds)))}"
    except (OverflowError, ValueError):
        return None


def _seconds(value: float, dtype: str) -> float:
    return value * _SECONDS[dtype.partition("[")[2].rstrip("]")]
