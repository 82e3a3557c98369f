"""Tables show dates for timestamps, and durations for their standard deviations."""

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.report.table import table
from evenly.time_text import duration_text, point_text

DAYS = pd.DataFrame({"t": pd.to_datetime(["2013-01-31", "2013-02-02"]).astype("datetime64[us]")})


def test_table_and_repr_show_dates():
    moments = evenly.fit(DAYS, columns=["t"])
    for text in (table(moments), repr(moments)):
        cells = " ".join(text.splitlines()[2].split())
        assert cells.startswith(
            "t 2 0 2013-02-01 00:00:00 1 day, 0:00:00 2013-01-31 00:00:00 2013-02-02 00:00:00"
        )


def test_groups_show_dates():
    frame = DAYS.assign(key=["a", "b"])
    text = repr(evenly.fit(frame, columns=["t"], by="key"))
    assert "2013-01-31 00:00:00" in text
    assert "2013-02-02 00:00:00" in text


def test_missing_and_plain_values():
    missing = DAYS.assign(t=pd.Series([pd.NaT, pd.NaT], dtype="datetime64[us]"))
    assert "all missing" in table(evenly.fit(missing, columns=["t"]))
    assert "1359590400" in table(evenly.fit(np.full((2, 1), 1359590400)))


@pytest.mark.parametrize("value", [1e300, -1e300, float("nan")])
def test_values_outside_of_the_calendar_are_numbers(value):
    assert point_text(value, "timestamp[s]") is None
    assert point_text(86_400.0, "duration[s]") == "1 day, 0:00:00"
    assert duration_text(-90.0, "duration[s]") == "-0:01:30"
