"""`evenly.Window`: the moments of exactly the parts in the window."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly
import strategies
from evenly import Moments, Window


def is_same(a, b):
    """Return whether all statistics are equal, ignoring the sources."""
    names = ("columns", "dtypes", "rows", "extremes_are_bounds")
    return (
        a == b
        and a._state.extremes() == b._state.extremes()
        and all(getattr(a, name) == getattr(b, name) for name in names)
    )


def part(array, columns=None):
    return Moments.empty(columns).update(array)


@given(strategies.arrays(max_rows=25), st.integers(1, 6), st.data())
def test_window_has_moments_of_last_parts(array, size, data):
    cuts = data.draw(strategies.splits(len(array)))
    parts = [part(array[start:stop]) for start, stop in cuts]
    window = Window(size)
    for number, new in enumerate(parts, 1):
        window.append(new)
        last = parts[max(0, number - size) : number]
        assert is_same(window.moments, evenly.merge(last))
        assert len(window) == len(last)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1e9, 1e9)), max_size=20), st.integers(1, 9))
def test_time_window_has_moments_of_last_span(steps, span):
    window = Window(timedelta(hours=span))
    now, parts = datetime(2026, 1, 1), []
    for hours, value in steps:
        now += timedelta(hours=hours)
        parts.append((now, part(np.array([[value]]))))
        window.append(parts[-1][1], time=now)
        recent = [m for time, m in parts if time > now - timedelta(hours=span)]
        assert is_same(window.moments, evenly.merge(recent))


@given(strategies.arrays(max_rows=12, min_rows=1), st.integers(1, 4))
def test_window_matches_add_and_subtract(array, size):
    window, total, parts = Window(size), Moments.empty(array.shape[1]), []
    for row in array:
        parts.append(part(row[None]))
        window.append(parts[-1])
        total = total + parts[-1]
        if len(parts) > size:
            total = total - parts[-1 - size]
        assert window.moments == total


def test_window_extremes_are_exact():
    window = Window(2)
    for value in (100.0, 1.0, 2.0):
        window.append(np.array([[value]]))
    assert (window.moments.max, window.moments.extremes_are_bounds) == (2.0, False)


def test_append_rows():
    window = Window(2)
    window.append(pd.DataFrame({"a": [1.0, 2.0]}))
    window.append(evenly.fit(pd.DataFrame({"a": [6.0]})))
    assert window.moments.mean == 3.0


def test_append_copies_moments():
    moments, window = part(np.ones((2, 1))), Window(3)
    window.append(moments)
    moments.update(np.full((1, 1), 9.0))
    window.moments.update(np.full((1, 1), 9.0))
    assert window.moments.max == 1.0


def test_empty_window_has_no_rows():
    assert len(Window(3)) == 0
    assert Window(3).moments == Moments.empty()


def test_window_sources():
    window = Window(2)
    for day in ("1.csv", "2.csv", "3.csv"):
        window.append(Moments.empty(sources=[day]).update(np.ones((1, 1))))
    assert window.moments.sources == ("2.csv", "3.csv")


def test_part_without_rows_counts():
    window = Window(2)
    for day in ([[1.0]], np.empty((0, 1)), np.empty((0, 1))):
        window.append(np.array(day))
    assert window.moments.rows == 0


@pytest.mark.parametrize("size", [2, 3])
def test_append_other_columns_raises_and_changes_nothing(size):
    window = Window(size)
    for value in (1.0, 2.0, 3.0):
        window.append(part(np.array([[value]]), ["a"]))
    before = window.moments
    with pytest.raises(evenly.ColumnError, match="same names"):
        window.append(part(np.array([[9.0]]), ["b"]))
    assert is_same(window.moments, before)
    assert len(window) == size


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
def test_copies_of_window_are_independent(copied):
    window = Window(2)
    for value in (1.0, 2.0, 3.0):
        window.append(np.array([[value]]))
    other = copied(window)
    window.append(np.array([[100.0]]))
    assert other.moments.mean == 2.5
    other.append(np.array([[5.0]]))
    assert (other.moments.mean, window.moments.mean) == (4.0, 51.5)


@pytest.mark.parametrize(
    "times",
    [
        [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)],
        [pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-03")],
        *(
            list(np.arange("2026-01-01", "2026-01-04", dtype="datetime64[D]").astype(dtype))
            for dtype in ("M8[D]", "M8[h]", "M8[s]", "M8[us]", "M8[ns]", "M8[10ns]")
        ),
        list(pd.date_range("2026-01-01", periods=3, unit="ns").values),
        list(pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin")),
        [np.datetime64("2026-01-01"), date(2026, 1, 2), np.datetime64("2026-01-03")],
        list(
            np.arange("1970-01-01", "1970-01-04", dtype="M8[D]").astype("M8[ns]").astype("M8[ps]")
        ),
        [np.timedelta64(0, "ns"), np.timedelta64(24, "h"), np.timedelta64(2, "D")],
    ],
)
def test_times_of_any_library(times):
    window = Window(timedelta(days=2))
    for value, time in enumerate(times):
        window.append(np.array([[float(value)]]), time=time)
    assert window.moments.mean == 1.5


def test_window_repr():
    window = Window(2)
    window.append(np.array([[1.0]]))
    assert repr(window).startswith("Window(2) of 1 part\nMoments of 1 column, 1 row\n")
    assert Window(timedelta(1)).size == timedelta(1)


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", None, True, timedelta(0)])
def test_invalid_size_raises(size):
    with pytest.raises(
        evenly.DataError, match=r"positive number of parts or a positive time span. Received: "
    ):
        Window(size)


def test_time_is_required_and_ordered():
    day = np.ones((1, 1))
    with pytest.raises(evenly.DataError, match="time= requires a window with a time span"):
        Window(2).append(day, time=datetime(2026, 1, 1))
    window = Window(timedelta(days=1))
    with pytest.raises(evenly.DataError, match="needs the time of each part"):
        window.append(day)
    window.append(day, time=datetime(2026, 1, 2))
    with pytest.raises(evenly.DataError, match=r"2026-01-01 00:00:00 after 2026-01-02 00:00:00"):
        window.append(day, time=datetime(2026, 1, 1))
    assert len(window) == 1


def test_months_of_numpy_are_their_first_days():
    window = Window(timedelta(days=59))
    for value, month in enumerate(np.arange("2026-01", "2026-04", dtype="datetime64[M]")):
        window.append([[float(value)]], time=month)
    assert window.moments.mean == 1.5  # January and February have 59 days


@pytest.mark.parametrize("span", [timedelta(microseconds=1), pd.Timedelta(1000, "ns")])
def test_nanoseconds_are_compared_exactly(span):
    window, start = Window(span), np.datetime64("2262-01-01T00:00:00.000000000")
    for age, parts in ((0, 1), (999, 2), (1000, 2), (1998, 3), (1999, 3), (2998, 2)):
        window.append([[1.0]], time=start + np.timedelta64(age, "ns"))
        assert len(window) == parts, age


@pytest.mark.parametrize("span", [timedelta(days=200_000), timedelta.max])
def test_span_longer_than_int64_nanoseconds(span):
    window = Window(span)
    for year in ("1970", "2000", "2250"):
        window.append([[1.0]], time=np.datetime64(year, "ns"))
    assert len(window) == 3


@pytest.mark.parametrize(
    "time", [pd.NaT, np.datetime64("NaT"), np.datetime64("NaT", "ns"), np.datetime64("NaT", "M")]
)
def test_unknown_time_is_refused(time):
    window = Window(timedelta(days=1))
    with pytest.raises(evenly.DataError, match=r"time of a part must be known. Received: .*NaT"):
        window.append([[1.0]], time=time)
    assert len(window) == 0


@pytest.mark.parametrize(
    "time", ["2026-01-01", 5, 5.0, pd.Period("2026-01"), pd.Series([1.0, 2.0])]
)
def test_time_that_is_none_is_refused(time):
    window = Window(timedelta(days=1))
    with pytest.raises(evenly.UnsupportedTypeError, match="must be a datetime, a date, or a time"):
        window.append([[1.0]], time=time)
    assert len(window) == 0


@pytest.mark.parametrize(
    "second",
    [
        datetime(2026, 1, 2, tzinfo=UTC),
        pd.Timestamp("2026-01-02", tz="UTC"),
        date(2026, 1, 2),
        np.datetime64("2026-01-02", "D"),
    ],
)
def test_times_of_different_types_are_refused(second):
    window = Window(timedelta(days=1))
    window.append([[1.0]], time=datetime(2026, 1, 1))
    with pytest.raises(evenly.UnsupportedTypeError, match="must be of one type, with time zones"):
        window.append([[2.0]], time=second)
    assert len(window) == 1
    assert window.moments.mean == 1.0
