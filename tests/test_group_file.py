"""The statistics file of groups: writing, reading and validation."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import evenly
from evenly import GroupedMoments, Moments
from evenly.statistics_file import parse

PAGE = Path(__file__).parents[1] / "docs" / "format.md"


@pytest.fixture
def moments():
    keys = ["a", None, "b", "a"]
    return evenly.fit(pl.DataFrame({"k": keys, "v": [1.0, 2, 6, None], "w": [1, 2, 3, 4]}), by="k")


def document(**changes):
    """Return a valid file as a JSON object, with some of its keys changed."""
    frame = pl.DataFrame({"k": ["a", "b"], "v": [1.0, 2.0]})
    return json.loads(evenly.fit(frame, by="k").to_bytes()) | changes


def read(document):
    return GroupedMoments.from_bytes(json.dumps(document).encode())


def test_docs_page_matches_written_file():
    example = PAGE.read_text(encoding="utf-8").split("```json\n")[2].partition("```")[0]
    moments = GroupedMoments.from_bytes(example.encode())
    assert moments.to_bytes().decode() == example
    assert list(moments) == ["EWR"]


def test_save_and_load_groups(moments, tmp_path):
    moments.save(tmp_path / "g.json")
    back = evenly.load(tmp_path / "g.json")
    assert back == moments
    assert list(back) == ["a", "b", None]
    for key in back:
        assert repr(back[key]) == repr(moments[key])
    facts = "by", "columns", "dtypes", "rows", "sources", "extremes_are_bounds"
    assert all(getattr(back, fact) == getattr(moments, fact) for fact in facts)
    assert back.to_bytes() == moments.to_bytes()


@pytest.mark.parametrize(
    "keys",
    [
        [1, -(2**63), 2**64 - 1, 0.5, 2.0**70],
        [True, False],
        [date(2013, 1, 31), date(1, 1, 1)],
        [datetime(2013, 1, 31, 5), datetime(2013, 1, 31, 5, 0, 0, 1)],
        [datetime(2013, 1, 31, 5, tzinfo=UTC)],
        ["", 'é\n"', "\udc80", "null"],
    ],
)
def test_keys_of_any_type_round_trip(keys):
    moments = evenly.fit(np.ones((len(keys) + 1, 1)), by=[*keys, None] if len(keys) != 6 else keys)
    back = GroupedMoments.from_bytes(moments.to_bytes())
    assert back == moments
    assert set(back) == {*keys, None}
    assert [type(key) for key in back] == [type(key) for key in moments]


def test_no_groups_round_trip():
    empty = GroupedMoments.empty(["a", "b"])
    assert GroupedMoments.from_bytes(empty.to_bytes()).by == ("a", "b")


def test_extremes_are_bounds_round_trip(moments):
    rest = moments + moments - moments
    assert rest.extremes_are_bounds
    assert GroupedMoments.from_bytes(rest.to_bytes()).extremes_are_bounds
    assert "bounds" in repr(rest)


def test_one_line_per_column_and_groups_are_sorted(moments):
    lines = moments.to_bytes().decode().splitlines()
    assert sum('"name": "v"' in line for line in lines) == 3
    assert [line.partition('"key": ')[2] for line in lines if '"key"' in line] == [
        '"a", "rows": 2},',
        '"b", "rows": 1},',
        'null, "rows": 1}',
    ]
    parsed = json.loads(moments.to_bytes())
    assert list(parsed) == sorted(parsed)


def test_from_bytes_checks_the_class(moments):
    with pytest.raises(evenly.StatisticsFileError, match=r"has groups. Read it with evenly.load"):
        Moments.from_bytes(moments.to_bytes())
    with pytest.raises(evenly.StatisticsFileError, match="has groups"):
        parse(moments.to_bytes())
    with pytest.raises(evenly.StatisticsFileError, match=r"has no groups\. Read it with"):
        GroupedMoments.from_bytes(moments.total().to_bytes())


def test_ordinary_files_have_version_1(moments):
    assert b'"format_version": 1,' in moments.total().to_bytes()


GROUP = document()["groups"][0]
COLUMN = GROUP["columns"][0]
OTHER = GROUP | {"columns": [COLUMN | {"name": "u"}], "key": "z"}
INVALID = {
    "by": (document(by=3), "'by' must be a name, an array of names or null. Received: 3"),
    "no by names": (document(by=[]), "'by' must be a name"),
    "no groups": (document(groups={}), "'groups' must be an array"),
    "columns at the top": (document(columns=[]), 'unknown key, "columns"'),
    "rows": (document(rows=9), "'rows' must be the sum of the rows of the groups. Received: 9"),
    "a group": (document(groups=[1]), "group 0 must be an object"),
    "a group's key": (document(groups=[GROUP | {"x": 1}]), 'Received: an unknown "x"'),
    "a group's rows": (
        document(groups=[GROUP | {"rows": -1}]),
        "group 0: 'rows' must be an int",
    ),
    "no columns": (
        document(groups=[GROUP | {"columns": []}], rows=1),
        "at least one, in",
    ),
    "twice": (
        document(groups=[GROUP, GROUP], rows=2),
        "group 1 has the same key as an earlier group",
    ),
    "other columns": (
        document(groups=[GROUP, OTHER]),
        "Group 1 differs from the first",
    ),
    "kinds": (document(groups=[GROUP, GROUP | {"key": 1}]), "keys of groups must be of one type"),
    "a column": (
        document(groups=[GROUP | {"columns": [COLUMN | {"min": 9.0}]}]),
        'group 0: column "v": min must not exceed max',
    ),
    "parts": (document(by=["a", "b"]), "group 0: 'key' must be an array of 2 values"),
}
PARTS = [
    [1],
    {},
    {"date": "2013-02-29"},
    {"date": "20130131"},
    {"date": "2013-01-31T00:00:00"},
    {"timestamp": "2013-01-31"},
    {"timestamp": "2013-01-31T05:00:00+01:00"},
    {"time": "05:00"},
    {"date": 3},
    2.0,
    2**64,
]


@pytest.mark.parametrize("case", INVALID)
def test_invalid_file_raises(case):
    content, message = INVALID[case]
    with pytest.raises(evenly.StatisticsFileError) as error:
        read(content)
    assert message in str(error.value)


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_invalid_key_raises(part):
    with pytest.raises(evenly.StatisticsFileError, match="group 0: a key must be text"):
        read(document(groups=[GROUP | {"key": part}], rows=1))


def test_error_names_the_file(tmp_path):
    (tmp_path / "bad.json").write_text(json.dumps(document(rows=9)))
    with pytest.raises(evenly.StatisticsFileError, match=r"bad\.json: 'rows' must be the sum"):
        evenly.load(tmp_path / "bad.json")
