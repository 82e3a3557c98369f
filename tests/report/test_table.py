"""The text table of moments."""

import numpy as np
import pytest

from evenly import Moments
from evenly.moments.text_table import format_number, left_out_line
from evenly.report.table import HEAD, TAIL, remarks, table


def fitted(values, columns=None):
    values = np.asarray(values, float)
    return Moments.empty(columns or values.shape[1]).update(values)


def test_decimal_points_are_aligned():
    lines = table(fitted([[0.5, 100.25], [1.0, 100.25]], ["a", "long name"])).splitlines()
    mean = [line.index(".") for line in lines[2:]]
    assert len(set(mean)) == 1


def test_line_has_name_and_counts():
    text = table(fitted([[1.0, np.nan], [2.0, 4.0]], ["height", "weight"]))
    assert [line.split()[:3] for line in text.splitlines()[2:]] == [
        ["height", "2", "0"],
        ["weight", "1", "1"],
    ]


def test_unnamed_columns_are_numbered():
    assert [line.split()[0] for line in table(fitted([[1, 2]])).splitlines()[2:]] == ["0", "1"]


def test_counts_have_thousands_separators():
    assert " 12,345 " in table(fitted(np.arange(12_345.0)[:, None]))


def test_fractional_weights_are_shown_as_total():
    moments = Moments.empty(1).update(np.array([[1.0], [2.0]]), weights=np.array([0.25, 0.5]))
    assert table(moments).splitlines()[2].split()[:2] == ["0", "0.75"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 5.0], "constant"),
        ([0.1, 0.1, 0.1], "constant"),
        ([1e300, np.nextafter(1e300, 0)], "nearly constant"),
        ([1e9, 1e9 + 1e-3], ""),
        ([5.0], "one value"),
        ([np.nan], "all missing"),
        ([], "no rows"),
    ],
)
def test_remarks(values, expected):
    assert remarks(fitted(np.array(values)[:, None])) == [expected]


def test_footer_mentions_bounds_after_subtraction():
    one, two = fitted([[1.0]]), fitted([[2.0], [4.0]])
    assert table((one + two) - two).endswith("min and max are bounds: rows were subtracted")
    assert "bounds" not in table(one + two)


def test_many_columns_are_shortened():
    number_of = HEAD + TAIL + 5
    lines = table(fitted(np.zeros((2, number_of)))).splitlines()
    assert lines[0] == f"2 rows, {number_of} columns"
    assert len(lines) == 2 + HEAD + TAIL + 1
    assert lines[2 + HEAD].startswith("… 5 more columns")
    assert lines[-1].split()[0] == str(number_of - 1)


def test_maximum_number_of_columns_is_shown():
    lines = table(fitted(np.zeros((2, HEAD + TAIL)))).splitlines()
    assert len(lines) == 2 + HEAD + TAIL


def test_no_columns():
    assert table(Moments.empty([])).splitlines()[0] == "0 rows, 0 columns"


def test_long_name_is_shortened():
    assert "x" * 39 + "…  " in table(fitted([[1.0]], ["x" * 41]))


def test_control_characters_in_names_are_escaped():
    text = table(fitted([[1.0]], ["\x1b[2Jline\nbreak"]))
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_wide_letters_take_two_cells():
    plain, wide = table(fitted([[1.0, 1.0]], ["abcd", "身長"])).splitlines()[2:]
    assert plain.partition("abcd")[2] == wide.partition("身長")[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-1.5, "-1.5"),
        (123456.789, "123457"),
        (1372636800.0, "1372636800"),
        (999999.99, "1000000"),
        (1e15, "1e+15"),
        (0.0001, "0.0001"),
        (5e-324, "4.94066e-324"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_number_format(value, text):
    assert format_number(value) == text


def test_columns_that_are_left_out_have_a_row_with_the_reason():
    moments = Moments.empty(["x"]).update([[1.0], [3.0]])
    moments.left_out = {"carrier": "text", "time_hour": "timestamp", "odd\x1b": "new\x1b"}
    assert table(moments).splitlines()[1:] == [
        "column     count  missing  mean  std  min  max  remarks",
        "x              2        0     2    1    1    3",
        "carrier                                         left out: text",
        "time_hour                                       left out: timestamp",
        r"odd\x1b                                         left out: new\x1b",
    ]


def test_many_columns_that_are_left_out_share_the_last_row():
    moments = Moments.empty(["x"]).update([[1.0], [3.0]])
    moments.left_out = {f"c{i}": "text" for i in range(1_024)} | {"d": "date"}
    lines = table(moments).splitlines()
    assert len(lines) == 3 + 20 + 1
    assert lines[-2].split() == ["c19", "left", "out:", "text"]
    assert lines[-1].startswith("(1,005 more) ")
    assert lines[-1].endswith("  left out: text, date")


def test_rows_of_left_out_columns_follow_the_last_column():
    moments = Moments.empty(HEAD + TAIL + 5).update(np.zeros((2, HEAD + TAIL + 5)))
    moments.left_out = {"t": "text"}
    lines = table(moments).splitlines()
    assert lines[2 + HEAD] == "… 5 more columns …"
    assert lines[-2].startswith("64 ")
    assert lines[-1].split() == ["t", "left", "out:", "text"]


def test_format_skipped_groups_by_reason():
    columns = {f"c{i}": "text" for i in range(30)}
    assert (
        left_out_line(columns)
        == f"left out: {', '.join(f'c{i}' for i in range(20))} and 10 more (text)"
    )
