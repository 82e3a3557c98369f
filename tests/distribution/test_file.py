"""The distribution of a statistics file: what is written, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import evenly
from evenly import Moments, _core
from evenly.errors import StatisticsFileError

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
MOMENTS = evenly.fit({"x": [1.0, 2.0, 6.0, float("nan")]}, distribution=16)


def changed(**changes):
    """Return the file with another distribution of its column; None drops a key."""
    document = json.loads(MOMENTS.to_bytes())
    column = document["columns"][0]
    for key, value in changes.items():
        place = document if key == "bins" else column["distribution"]
        if key in ("distribution", "min", "max"):
            place = column
        if value is None:
            del place[key]
        else:
            place[key] = value
    return json.dumps(document).encode()


def test_a_file_with_distributions_has_its_own_version():
    document = json.loads(MOMENTS.to_bytes())
    assert document["format_version"] == 3
    assert document["bins"] == 16
    assert document["columns"][0]["distribution"] == {
        "counts": "1 1 1",
        "keys": "bff0000000000000 10000000000000 18000000000000",
        "shift": 0,
    }
    grouped = evenly.fit(np.ones((2, 1)), by=[0, 1], distribution=16)
    assert json.loads(grouped.to_bytes())["format_version"] == 3
    assert json.loads(MOMENTS.without_distribution().to_bytes())["format_version"] == 1
    assert json.loads(evenly.fit(np.ones((2, 1)), by=[0, 1]).to_bytes())["format_version"] == 2


def test_docs_page_matches_written_file():
    page = PAGE.read_text(encoding="utf-8")
    example = page.partition("## A file of distributions")[2]
    example = example.partition("```json\n")[2].partition("```")[0]
    moments = evenly.fit({"height": [1.0, 1.0, 6.0, np.nan]}, distribution=True)
    moments.sources = ["people.csv"]
    assert moments.to_bytes().decode() == example


def test_moments_without_rows_are_kept():
    for empty in (Moments.empty(2, distribution=16), evenly.GroupedMoments.empty(distribution=16)):
        again = type(empty).from_bytes(empty.to_bytes())
        assert again.distribution == 16
        assert again.to_bytes() == empty.to_bytes()
    missing = Moments.empty(1, distribution=16).update(np.array([[np.nan]]))
    assert Moments.from_bytes(missing.to_bytes()).to_bytes() == missing.to_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bins": None}, "the file has no 'bins'"),
        ({"bins": 1}, "'bins' must be an integer from 2 to 65,536. Received: 1"),
        ({"bins": "16"}, "'bins' must be an integer from 2 to 65,536"),
        ({"bins": 2}, "keys in hexadecimal"),
        ({"distribution": None}, "column \"x\" has no 'distribution'"),
        ({"distribution": [1]}, "must be an object with exactly the keys counts, keys, shift"),
        ({"shift": None}, "must be an object with exactly the keys counts, keys, shift"),
        ({"shift": 64}, "must have a shift from 0 to 63"),
        ({"shift": 1.0}, "must have a shift from 0 to 63"),
        ({"counts": "1 1"}, "must have as many counts as keys"),
        ({"counts": "1 1 0"}, "positive counts in decimal"),
        ({"counts": "1  1 1"}, "positive counts in decimal"),
        ({"counts": "1 1 01"}, "positive counts in decimal"),
        ({"counts": [1, 1, 1]}, "positive counts in decimal"),
        ({"counts": "1 1 2"}, "must have as many values as the column"),
        ({"counts": "9223372036854775807 9223372036854775807 1"}, "as many values as the column"),
        ({"keys": "bff0000000000000 0 18000000000000"}, "keys in hexadecimal"),
        ({"keys": "BFF0000000000000 1 1"}, "keys in hexadecimal"),
        ({"keys": "ffffffffffffffff 1 1"}, "must have keys of 64 bits"),
        ({"keys": "1 " * 400}, "keys in hexadecimal"),
        ({"keys": "bff0000000000000 10000000000000 19000000000000"}, "no bin below min or above"),
        ({"keys": "bfe0000000000000 20000000000000 18000000000000"}, "no bin below min or above"),
        ({"keys": "bff0000000000000 1 27ffffffffffff"}, "bins that can have the sums"),
    ],
)
def test_impossible_distributions_are_refused(changes, message):
    with pytest.raises(StatisticsFileError, match=message):
        Moments.from_bytes(changed(**changes))


def test_impossible_distributions_among_those_of_many_columns_and_groups_are_named():
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(5000)]
    table = {"key": ["a", "b", "b"], **{name: rng.normal(size=3) for name in names}}
    table["c4500"] = np.array([np.nan, 0.5, 0.5])
    for by, label in ((None, 'column "c4500"'), ("key", 'group 1: column "c4500"')):
        moments = evenly.fit(table, columns=names, by=by, distribution=True)
        content = moments.to_bytes()
        assert type(moments).from_bytes(content).to_bytes() == content
        damaged = content.replace(b'"counts": "2", "keys": "bfe', b'"counts": "2", "keys": "bfd')
        assert damaged != content
        with pytest.raises(StatisticsFileError, match=f"{label}: 'distribution' must have no bin"):
            type(moments).from_bytes(damaged)


def test_a_distribution_needs_its_version():
    document = json.loads(changed())
    document["format_version"] = 1
    with pytest.raises(StatisticsFileError, match='the file has an unknown key, "bins"'):
        Moments.from_bytes(json.dumps(document).encode())
    del document["bins"]
    with pytest.raises(StatisticsFileError, match='has an unknown key, "distribution"'):
        Moments.from_bytes(json.dumps(document).encode())


def test_damaged_pickles_are_refused():
    packed = MOMENTS._state.pack()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(packed)
        damaged[rng.integers(len(packed))] = rng.integers(256)
        try:
            state = _core.State.unpack(bytes(damaged))
        except ValueError:
            refused += 1
        else:
            assert state.histogram(0) is None or state.first_impossible() in (-1, 0)
    assert refused > 500


def test_the_core_refuses_impossible_bins():
    state = _core.State(1, bins=4)
    state.set_column(0, (2, 0), (0, 0), (3, 0), (5, 0), 1.0, 2.0)
    keys = MOMENTS.bins().keys
    for shift, count in ((64, [1, 1]), (0, [1, 2]), (0, [1]), (0, [2, 0])):
        with pytest.raises(ValueError, match="bins"):
            state.set_histogram(0, shift, keys[:2].copy(), np.array(count))
    state.set_histogram(0, 0, keys[:2].copy(), np.array([1, 1]))
    with pytest.raises(ValueError, match="from 2 to 65,536 bins"):
        _core.State(1, bins=70_000)
