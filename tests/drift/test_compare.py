"""Comparisons of two data sets, and of one with several."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.cli import main
from evenly.drift.text import comparison_table, rank_text


def normal(seed, rows, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, rows)


def frame(seed, rows=2000, **columns):
    data = {name: normal(seed + i, rows) for i, name in enumerate("abc")}
    return pd.DataFrame(data | columns)


@pytest.fixture
def train():
    return evenly.fit(frame(1))


# ---- The rule ----


def test_shift_over_the_limit_is_found(train):
    comparison = evenly.compare(train, evenly.fit(frame(9, b=normal(8, 2000, shift=0.4))))
    assert [(column.name, column.over) for column in comparison.over] == [("b", ("mean",))]
    assert comparison["b"].shift.value == pytest.approx(0.4, abs=0.1)


def test_shift_below_the_limit_is_not_over_it_however_certain():
    a, b = (evenly.fit(normal(s, 1_000_000, shift=0.08 * s)[:, None]) for s in (0, 1))
    (column,) = evenly.compare(a, b).columns
    assert column.shift.low > 0.07
    assert not column.over


def test_shift_above_the_limit_is_not_over_it_if_uncertain():
    a, b = (evenly.fit(normal(s, 30, shift=0.3 * s)[:, None]) for s in (0, 1))
    (column,) = evenly.compare(a, b).columns
    assert column.shift.value > 0.1
    assert not column.over


def test_wider_and_narrower_columns_are_found(train):
    other = frame(9, a=normal(8, 2000, scale=3), b=normal(7, 2000, scale=1 / 3))
    comparison = evenly.compare(train, evenly.fit(other))
    assert {column.name: column.over for column in comparison.over} == {
        "a": ("std",),
        "b": ("std",),
    }


def test_more_missing_values_are_found(train):
    b = np.where(np.arange(2000) % 4 == 0, np.nan, normal(5, 2000))
    column = evenly.compare(train, evenly.fit(frame(9, b=b)))["b"]
    assert column.over == ("missing",)
    assert column.missing.value == 0.25
    assert column.after.missing_share == 0.25


def test_limit_decides(train):
    other = evenly.fit(frame(9, b=normal(8, 2000, shift=0.4)))
    assert len(evenly.compare(train, other, limit=0.2).over) == 1
    assert evenly.compare(train, other, limit=0.6).over == ()


def test_confidence_decides(train):
    other = evenly.fit(frame(9, b=normal(8, 2000, shift=0.22)))
    assert len(evenly.compare(train, other, confidence=0.5).over) == 1
    assert evenly.compare(train, other, confidence=1 - 1e-9).over == ()


def test_intervals_are_wider_for_more_columns():
    x = normal(0, 1000)
    one, two = evenly.fit(x[:, None]), evenly.fit(np.stack([x, x], axis=1))
    narrow, wide = evenly.compare(one, one)[0].shift, evenly.compare(two, two)[0].shift
    assert narrow.high < wide.high


def test_largest_difference_comes_first(train):
    other = frame(9, b=normal(8, 2000, shift=2), c=normal(7, 2000, shift=0.5))
    names = [column.name for column in evenly.compare(train, evenly.fit(other)).columns]
    assert names == ["b", "c", "a"]


def test_weights_count_as_rows():
    x = normal(0, 500)
    half = evenly.fit(x[:, None], weights=np.full(500, 2.0))
    double = evenly.fit(np.concatenate([x, x])[:, None])
    other = evenly.fit(normal(3, 500)[:, None])
    assert evenly.compare(half, other)[0].shift == evenly.compare(double, other)[0].shift


# ---- Columns that changed ----


def test_columns_that_appeared_and_vanished_are_over_any_limit(train):
    other = evenly.fit(frame(9).rename(columns={"b": "new"}))
    comparison = evenly.compare(train, other, limit=1e9)
    assert {c.name: c.over for c in comparison.over} == {"b": ("vanished",), "new": ("appeared",)}
    assert comparison["new"].before is None
    assert comparison["b"].after is None


def test_dtype_of_numbers_may_change():
    a = evenly.fit({"x": np.arange(100)})
    b = evenly.fit({"x": np.arange(100.0)})
    column = evenly.compare(a, b)["x"]
    assert column.dtype_changed
    assert not column.over
    assert "dtype: int64 → float64" in repr(evenly.compare(a, b))


@pytest.mark.parametrize("unit", ["ms", None])
def test_times_in_another_unit_are_not_compared(unit):
    times = pd.Series(pd.date_range("2026-01-01", periods=50).astype("datetime64[s]"))
    other = times.astype(f"datetime64[{unit}]") if unit else times.astype("int64")
    options = {"columns": ["t"]}
    a, b = evenly.fit(pd.DataFrame({"t": times}), **options), pd.DataFrame({"t": other})
    comparison = evenly.compare(a, evenly.fit(b, **options))
    assert comparison["t"].over == ("incomparable",)
    assert "not comparable: timestamp[s] →" in repr(comparison)


def test_order_of_columns_does_not_matter(train):
    other = evenly.fit(frame(9)[["c", "a", "b"]])
    assert evenly.compare(train, other).over == ()


def test_range_is_shown_but_not_judged(train):
    other = frame(9)
    other.loc[0, "b"] = 99.0
    comparison = evenly.compare(train, evenly.fit(other), limit=10)
    assert comparison.over == ()
    assert "→ 99" in repr(comparison)


# ---- Groups ----


def test_groups_are_compared_one_by_one():
    def fit(shift, keys="xy"):
        by = np.repeat(list(keys), 1000)
        return evenly.fit(
            pd.DataFrame({"a": np.concatenate([normal(1, 1000), normal(2, 1000, shift)]), "k": by}),
            by="k",
        )

    comparison = evenly.compare(fit(0), fit(1))
    assert [(c.group, c.name, c.over) for c in comparison.over] == [("y", "a", ("mean",))]
    assert comparison["y", "a"].label == "y: a"
    comparison = evenly.compare(fit(0), fit(0, keys="xz"))
    assert {c.group: c.over for c in comparison.over} == {"y": ("vanished",), "z": ("appeared",)}


def test_groups_and_no_groups_cannot_be_compared(train):
    grouped = evenly.fit(frame(1), by=np.zeros(2000, int))
    with pytest.raises(evenly.DataError, match="Either both data sets must have groups"):
        evenly.compare(grouped, train)
    with pytest.raises(evenly.DataError, match="Received: Moments and GroupedMoments"):
        evenly.compare(train, grouped)


# ---- Several earlier data sets ----


def days(number, spread=0.0, seed=0):
    """Return days whose means differ by `spread` standard deviations."""
    rng = np.random.default_rng(seed)
    return [evenly.fit(rng.normal(spread * rng.normal(), 1, (500, 1))) for _ in range(number)]


def test_days_that_differ_raise_the_limit():
    usual = evenly.fit(normal(99, 500, shift=1.0)[:, None])
    calm, seasonal = (evenly.compare(days(20, spread), usual) for spread in (0.0, 1.0))
    assert calm.over[0].over == ("mean",)
    assert seasonal.over == ()
    limit = dict(seasonal.columns[0].limits)["mean"]
    assert 1.5 < limit < 8
    assert dict(calm.columns[0].limits)["mean"] < 0.3


def test_unusual_day_is_found_among_days_that_differ():
    unusual = evenly.fit(normal(99, 500, shift=9.0)[:, None])
    comparison = evenly.compare(days(20, 1.0), unusual)
    assert comparison.over[0].over == ("mean",)
    assert dict(comparison.columns[0].ranks)["mean"] == 0
    assert comparison.earlier == 20
    assert "in 20 data sets before" in repr(comparison)


def test_ranks_count_days_that_are_as_far():
    comparison = evenly.compare(days(20, 1.0), days(1, seed=5)[0])
    assert 1 <= dict(comparison.columns[0].ranks)["mean"] <= 20


def test_table_and_page_show_the_smallest_rank():
    others = days(20, 1.0)
    broken, usual = (evenly.fit(normal(7, 500, shift)[:, None]) for shift in (9.0, 0.3))
    assert "0 of 20 (mean)" in repr(evenly.compare(others, broken))
    page = evenly.compare(others, broken).to_html()
    assert "<th scope=col class=number>Rank" in page
    assert "<td>0 of 20 (mean)" in page
    column = evenly.compare(others, usual).columns[0]
    name, rank = min(column.ranks, key=lambda pair: pair[1])
    assert rank > 0
    assert rank_text(column, 20) == f"{rank} of 20 ({name})"
    two = evenly.compare(broken, usual)
    assert "rank" not in repr(two)
    assert "Rank" not in two.to_html()


def test_columns_that_no_earlier_day_has_have_no_rank():
    earlier = [evenly.fit({"x": normal(day, 500)}) for day in range(5)]
    new = evenly.fit({"x": normal(7, 500), "y": normal(8, 500)})
    comparison = evenly.compare(earlier, new)
    assert rank_text(comparison["y"], 5) == ""
    assert "appeared" in repr(comparison)


def test_each_of_the_days_is_usual():
    """The last of many similar days is silent, whichever it is."""
    all_days = days(12, 0.7, seed=3)
    silent = sum(
        not evenly.compare(all_days[:i] + all_days[i + 1 :], day).over
        for i, day in enumerate(all_days)
    )
    assert silent >= 11


def test_distances_of_days_may_be_near_the_limit_of_float64():
    tiny, wide = (evenly.fit(np.array([[-x], [x]] * 50)) for x in (6e-309, 1.0))
    comparison = evenly.compare([tiny, tiny, wide], wide)
    assert dict(comparison.columns[0].limits)["std"] == math.inf
    assert comparison.columns[0].over == ()


def test_baseline_needs_three_days():
    with pytest.raises(evenly.DataError, match=r"at least 3 data sets .* Received: 2\. Add more"):
        evenly.compare(days(2), days(1)[0])


def test_days_must_have_the_same_columns(train):
    with pytest.raises(evenly.ColumnError, match="must have the same names"):
        evenly.compare([train, train, train.select(["a"])], train)


# ---- Arguments ----


def test_paths_are_loaded(train, tmp_path):
    train.save(tmp_path / "a.json")
    comparison = evenly.compare(tmp_path / "a.json", str(tmp_path / "a.json"))
    assert comparison.over == ()
    assert comparison.rows == (2000, 2000)


@pytest.mark.parametrize("limit", [-0.1, math.inf, math.nan, "0.1"])
def test_invalid_limit(train, limit):
    with pytest.raises(evenly.DataError, match=r"limit must be a number, 0 or more\. Received: "):
        evenly.compare(train, train, limit=limit)


@pytest.mark.parametrize("confidence", [0, 1, 99, "0.99"])
def test_invalid_confidence(train, confidence):
    with pytest.raises(evenly.DataError, match=r"confidence must be between 0 and 1\. Received: "):
        evenly.compare(train, train, confidence=confidence)


@pytest.mark.parametrize("value", [np.zeros((3, 3)), None, 3])
def test_only_moments_and_paths(train, value):
    with pytest.raises(evenly.UnsupportedTypeError, match="compare takes moments and paths"):
        evenly.compare(value, train)
    with pytest.raises(evenly.UnsupportedTypeError, match="compare takes moments and paths"):
        evenly.compare(train, value)


def test_unknown_name(train):
    with pytest.raises(evenly.ColumnError, match=r"of a compared column\. Received: 'x'"):
        evenly.compare(train, train)["x"]


def test_a_data_set_without_rows_has_no_shares():
    full = evenly.fit({"a": [1.0, np.nan], "b": [1, 2]})
    for pair, share in (((full, 0), "50 % → -  no rows after"), ((0, full), "- → 50 %  no rows")):
        text = repr(evenly.compare(*(x or evenly.Moments.empty(["a", "b"]) for x in pair)))
        assert share in text
        assert "dtype" not in text


def test_a_data_set_without_rows_is_over_the_limit(tmp_path):
    full, empty = evenly.fit({"a": [1.0, 2.0], "b": [1, 2]}), evenly.Moments.empty(["a", "b"])
    for pair, change in (((full, empty), "vanished"), ((empty, full), "appeared")):
        comparison = evenly.compare(*pair)
        assert [column.over for column in comparison.over] == [(change,), (change,)]
    full.save(tmp_path / "full.json")
    empty.save(tmp_path / "empty.json")
    paths = [str(tmp_path / name) for name in ("full.json", "empty.json")]
    assert main(["diff", *paths, "--fail-over", "0.1"]) == 1
    assert main(["diff", paths[1], paths[1], "--fail-over", "0.1"]) == 0


def test_empty_data_sets_can_be_compared():
    comparison = evenly.compare(evenly.Moments.empty(["a"]), evenly.Moments.empty(["a"]))
    assert comparison.over == ()
    assert "0 rows before, 0 rows after" in repr(comparison)
    json.dumps(comparison.to_dict(), allow_nan=False)
    assert comparison.to_html()


# ---- Shown ----


def test_table_shows_what_changed(train):
    other = evenly.fit(frame(9, b=normal(8, 2000, shift=0.4)))
    lines = repr(evenly.compare(train, other)).splitlines()
    assert lines[0] == "2,000 rows before, 2,000 rows after"
    assert lines[1].split()[:3] == ["column", "mean", "before"]
    assert lines[2].startswith("b ")
    assert lines[2].endswith("over: mean") or "over: mean; " in lines[2]
    assert lines[-1] == "over the limit of 0.1, at 99 % confidence: 1 of 3 columns"


def test_long_tables_are_cut():
    wide = evenly.fit(np.random.default_rng(0).normal(size=(50, 200)))
    text = repr(evenly.compare(wide, wide))
    assert "(140 more)" in text
    assert len(comparison_table(evenly.compare(wide, wide)).rows) == 60


def test_names_cannot_control_a_terminal_or_a_page():
    name = "\x1b[31m<img src=x onerror=alert(1)>"
    moments = evenly.fit({name: np.arange(9.0)})
    comparison = evenly.compare(moments, moments)
    assert "\x1b" not in repr(comparison)
    for page in (comparison._repr_html_(), comparison.to_html([name])):
        assert "<img" not in page
        assert "\x1b" not in page


def test_dict_has_all_numbers(train):
    other = evenly.fit(frame(9, b=normal(8, 2000, shift=0.4)))
    document = json.loads(json.dumps(evenly.compare(train, other).to_dict(), allow_nan=False))
    assert (document["limit"], document["confidence"], document["over"]) == (0.1, 0.99, 1)
    first = document["columns"][0]
    assert (first["name"], first["over"], first["change"]) == ("b", ["mean"], None)
    assert first["shift"]["low"] < first["shift"]["value"] < first["shift"]["high"]
    assert first["before"]["mean"] == train["b"].mean[0]
    assert first["after"]["std"] == other["b"].std()[0]
    assert first["limits"]["mean"] == 0.1


def test_infinities_are_null_in_the_dict():
    a, b = evenly.fit(np.zeros((100, 1))), evenly.fit(np.ones((100, 1)))
    (column,) = evenly.compare(a, b).to_dict()["columns"]
    assert column["shift"] == {"value": None, "low": None, "high": None}
    assert column["over"] == ["mean"]


# ---- Values that differ in late digits ----


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (3.0, 3.0000001, ("3", "3.0000001")),
        (1.7e9, 1.7e9 + 0.25, ("1700000000", "1700000000.2")),
        (0.1 + 0.2, 0.3, ("0.30000000000000004", "0.3")),
        (1e300, np.nextafter(1e300, np.inf), ("1e+300", "1.0000000000000002e+300")),
        (-1e-310, -1.0000001e-310, ("-1e-310", "-1.0000001e-310")),
        (1.25, 1.25, ("1.25", "1.25")),
        (1.0, 2.0, ("1", "2")),
    ],
)
def test_different_means_look_different_in_table_and_page(before, after, texts):
    comparison = evenly.compare(*(evenly.fit([[x], [x], [x]]) for x in (before, after)))
    (row,) = comparison_table(comparison).rows
    assert row[1:3] == texts
    if after > before:
        assert f"max {texts[0]} → {texts[1]}" in row[-1]
    assert "<td>{}<td>{}".format(*texts) in comparison.to_html(["a", "b"])


def test_means_of_sides_without_values_are_empty_in_the_page_and_sort_last():
    data = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})
    comparison = evenly.compare(evenly.fit(data), evenly.fit(data.drop(columns="a")))
    assert [row[1:3] for row in comparison_table(comparison).rows] == [("1.5", "-"), ("-", "-")]
    assert "<td>-" not in comparison.to_html(["a", "b"])


# ---- Groups whose keys look alike ----

PREFIX = "datasets/robots/2026/kitchen/episode/recording/"


@pytest.mark.parametrize(
    "keys",
    [
        {"a": [f"{PREFIX}{i}" for i in range(3)]},
        {"a": ["x", "x, y", "x, y, z"], "b": ["y, z, w", "z, w", "w"]},
        {"a": ["a\n", "a\\n", "a"]},
        {"a": ["(missing)", None, "None"]},
        {"a": [0.1 + 0.2, 0.3, 0.30000000000000010]},
    ],
)
def test_groups_whose_keys_look_alike_are_compared_each_with_itself(keys):
    """Long keys were cut to 40 characters, and then one group replaced another."""
    means = np.repeat([[1.0], [2.0], [3.0]], 400, axis=1).ravel()
    noise = np.random.default_rng(0).normal(size=1200)
    table = pd.DataFrame({name: np.repeat(np.array(k, object), 400) for name, k in keys.items()})
    table = table.infer_objects().assign(x=means + noise, y=noise)
    before = evenly.fit(table, by=list(keys))
    assert [column.shift.value for column in evenly.compare(before, before).columns] == [0.0] * 6
    table.loc[table.index < 400, "x"] += 9
    changed = evenly.compare(before, evenly.fit(table, by=list(keys)))
    assert len(changed.columns) == 6
    assert [(c.name, round(c.shift.value)) for c in changed.over] == [("x", 9)]
    days = [evenly.fit(table[start::3], by=list(keys)) for start in range(3)]
    assert len(evenly.compare(days, days[0]).columns) == 6


def test_group_of_a_compared_column_is_the_whole_key():
    moments = evenly.fit(pd.DataFrame({"file": [PREFIX + "1"] * 2, "x": [1.0, 2.0]}), by="file")
    comparison = evenly.compare(moments, moments)
    assert comparison[PREFIX + "1", "x"].shift.value == 0
    assert comparison.to_dict()["columns"][0]["group"] == PREFIX + "1"
    ((label, *_),) = comparison_table(comparison).rows
    assert label == f"{PREFIX[:39]}…: x"


def test_integers_and_the_same_text_are_the_same_group():
    """A CSV file may have text where a Parquet file has integers."""
    sides = (pd.DataFrame({"g": g, "x": [1.0, 2.0, 3.0]}) for g in ([1, 1, 1], ["1", "1", "1"]))
    (column,) = evenly.compare(*(evenly.fit(side, by="g") for side in sides)).columns
    assert (column.group, column.shift.value) == ("1", 0.0)


@pytest.mark.parametrize("other", ["h", ["g", "h"], ["h", "g"]])
def test_groups_of_other_columns_cannot_be_compared(other):
    table = pd.DataFrame({"g": [1, 2] * 5, "h": [1, 2] * 5, "x": np.arange(10.0)})
    by_g, by_other = (evenly.fit(table, by=by, columns=["x"]) for by in ("g", other))
    for pair in ((by_g, by_other), (by_other, by_g), ([by_g] * 3, by_other)):
        with pytest.raises(evenly.ColumnError, match=r"groups of the same columns.*by=.*by="):
            evenly.compare(*pair)


@pytest.mark.parametrize("other", [["g"], np.array([1, 2] * 5)])
def test_groups_of_a_column_are_compared_with_the_same_keys_given_otherwise(other):
    table = pd.DataFrame({"g": [1, 2] * 5, "x": np.arange(10.0)})
    comparison = evenly.compare(*(evenly.fit(table, by=by, columns=["x"]) for by in ("g", other)))
    assert [(column.group, column.shift.value) for column in comparison.columns] == [
        ("1", 0.0),
        ("2", 0.0),
    ]
