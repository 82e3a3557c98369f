"""The class `MomentsByKey`: addition, scaling of batches, text and files."""

import copy
import json
import operator
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evenly
from evenly import MomentsByKey
from evenly.sources.parts_by_key import replace_part

DATA = {"s": np.array([[1.0, 4.0], [3.0, 8.0]]), "a": np.array([[5.0], [9.0]])}
SELECT = {"state": ("obs", "s"), "act": "a"}
BATCH = {"obs": {"s": DATA["s"], "t": "text"}, "a": DATA["a"], "n": 3}
VALUES = arrays(np.float64, (3, 2), elements=st.floats(-1e300, 1e300))


def fitted(**options: Any) -> MomentsByKey:
    return evenly.fit([BATCH], select=SELECT, **options)


def of(x: Any, y: Any) -> MomentsByKey:
    return MomentsByKey({"x": evenly.fit(x), "y": evenly.fit(y)})


@given(VALUES, VALUES, VALUES)
def test_addition_is_a_commutative_group(a: Any, b: Any, c: Any) -> None:
    first, second, third = of(a, b), of(b, c), of(c, a)
    assert first + second == second + first
    assert (first + second) + third == first + (second + third)
    assert (first + second) - second == first
    assert (first + second)["x"] == evenly.fit(np.concatenate([a, b]))
    assert evenly.merge([first, second, third]) == sum([third, first, second])
    assert MomentsByKey.empty() + first == first == first + MomentsByKey.empty()


def test_merge_of_files(tmp_path: Path) -> None:
    fitted().save(tmp_path / "1.json")
    assert evenly.merge([tmp_path / "1.json", tmp_path / "1.json"]) == fitted() + fitted()


def test_a_failed_addition_changes_nothing() -> None:
    first, second = of([[1.0]], [[2.0]]), of([[1.0]], [[2.0, 3.0]])
    with pytest.raises(evenly.EvenlyError):
        first + second
    assert first == of([[1.0]], [[2.0]])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (MomentsByKey({"act": evenly.fit([[1.0]])}), "same keys. Received: 'act', 'state' and"),
        (
            MomentsByKey(dict(fitted())),
            r"same parts of batches. Received: \('a',\) and \('act',\) for 'act'",
        ),
        (
            MomentsByKey(dict(fitted()), select=SELECT, feature_axis={"act": 1}),
            r"Received: \('a',\) and \('a',\) with feature_axis=1 for 'act'",
        ),
    ],
)
def test_different_parts_are_not_added(other: MomentsByKey, message: str) -> None:
    with pytest.raises(evenly.ColumnError, match=message):
        fitted() + other
    with pytest.raises(evenly.ColumnError, match=message):
        fitted() - other


def test_other_moments_are_not_added() -> None:
    for other in (evenly.fit([[1.0]]), evenly.fit([[1.0]], by=np.array(["a"]))):
        for combine in (operator.add, operator.sub):
            for pair in ((fitted(), other), (other, fitted())):
                with pytest.raises(evenly.DataError, match="only be added to moments by key"):
                    combine(*pair)
    for combine in (operator.add, operator.sub):
        for pair in ((fitted(), 1), (1, fitted())):
            with pytest.raises(TypeError):
                combine(*pair)
    with pytest.raises(evenly.DataError, match=r"only be added to moments by key.*same"):
        evenly.merge([fitted(), evenly.fit([[1.0]])])  # type: ignore[list-item]
    with pytest.raises(evenly.DataError, match="by key can only be added to moments by key"):
        evenly.merge([evenly.fit([[1.0]]), fitted()])  # type: ignore[list-item]


def test_it_is_a_mapping_with_sorted_keys() -> None:
    moments = fitted()
    assert list(moments) == ["act", "state"]
    assert len(moments) == 2
    assert "act" in moments
    assert "a" not in moments
    assert moments.get("a") is None
    assert moments != evenly.fit([[1.0]])
    with pytest.raises(evenly.ColumnError, match=r"no key 'stat'. The keys are .*mean 'state'"):
        moments["stat"]
    assert moments.paths == {"act": ("a",), "state": ("obs", "s")}
    assert list(moments.select(["state"])) == ["state"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(moments)


def test_the_constructor_checks_the_keys() -> None:
    with pytest.raises(evenly.ColumnError, match=r"keys of the moments. Received: 'b' for 'a'"):
        MomentsByKey({"a": evenly.fit([[1.0]])}, select={"b": "b"})


def test_copies_are_independent() -> None:
    moments = fitted()
    for other in (copy.copy(moments), copy.deepcopy(moments), moments.copy()):
        other["act"].update([[7.0]])
        assert other != moments
    assert pickle.loads(pickle.dumps(moments)) == moments
    assert pickle.loads(pickle.dumps(moments)).paths == moments.paths


def test_normalize_returns_the_same_structure() -> None:
    moments = fitted()
    result = moments.normalize(BATCH)
    assert result["obs"]["s"].tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert result["a"].tolist() == [[-1.0], [1.0]]
    assert (result["obs"]["t"], result["n"]) == ("text", 3)
    assert BATCH["a"] is DATA["a"]
    back = moments.denormalize(result)
    assert back["obs"]["s"].tolist() == DATA["s"].tolist()
    assert moments.normalize(BATCH, method="minmax")["a"].tolist() == [[0.0], [1.0]]
    assert moments.normalize(BATCH, dtype="float32")["a"].dtype == np.float32


def test_tensors_stay_tensors() -> None:
    torch = pytest.importorskip("torch")
    result = fitted().normalize({"obs": {"s": torch.tensor(DATA["s"])}, "a": DATA["a"]})
    assert isinstance(result["obs"]["s"], torch.Tensor)


def test_axes_of_the_fit_are_used() -> None:
    image = np.arange(24.0).reshape(2, 3, 2, 2)
    moments = evenly.fit([{"i": image}], select={"i": "i"}, feature_axis=1)
    assert moments.feature_axes == {"i": 1}
    expected = moments["i"].normalize(image, feature_axis=1)
    assert np.array_equal(moments.normalize({"i": image})["i"], expected)
    last = {"i": np.moveaxis(image, 1, -1)}
    assert np.array_equal(
        moments.normalize(last, feature_axis=-1)["i"], np.moveaxis(expected, 1, -1)
    )
    assert np.array_equal(
        moments.normalize(last, feature_axis={"i": -1})["i"], np.moveaxis(expected, 1, -1)
    )


def test_axis_0_of_the_fit_must_be_repeated() -> None:
    rows = [{"x": np.array([1.0, 5.0])}, {"x": np.array([3.0, 9.0])}]
    moments = evenly.fit(rows, select={"x": "x"}, feature_axis=0)
    square = {"x": np.array([[1.0, 5.0], [3.0, 9.0]])}
    with pytest.raises(evenly.DataError, match=r"no axis for 'x'. Pass feature_axis=.'x': -1. for"):
        moments.normalize(square)
    result = moments.normalize(square, feature_axis={"x": -1})
    assert result["x"].tolist() == [[-1.0, -1.0], [1.0, 1.0]]


class Pair(NamedTuple):
    x: Any
    y: Any


@dataclass
class Item:
    x: Any
    y: int = 2


@pytest.mark.parametrize(
    ("batch", "path", "expected"),
    [
        ((1, 2), (0,), (9, 2)),
        ([1, 2], (-1,), [1, 9]),
        (Pair(1, 2), ("y",), Pair(1, 9)),
        (Pair(1, 2), (0,), Pair(9, 2)),
        (Item(1), ("x",), Item(9)),
        (OrderedDict(a=1), ("a",), OrderedDict(a=9)),
        ({"a": [(1, {"b": 2})]}, ("a", 0, 1, "b"), {"a": [(1, {"b": 9})]}),
        (1, (), 9),
    ],
)
def test_replace_part(batch: Any, path: Any, expected: Any) -> None:
    before = copy.deepcopy(batch)
    result = replace_part(batch, path, 9)
    assert result == expected
    assert type(result) is type(expected)
    assert batch == before


def test_batches_that_cannot_be_scaled() -> None:
    class Holder:
        a = DATA["a"]

    moments = MomentsByKey({"a": fitted()["act"]})
    with pytest.raises(evenly.UnsupportedTypeError, match=r"Received: a Holder. Scale its parts"):
        moments.normalize(Holder())
    with pytest.raises(evenly.ColumnError, match=r"select='a': .*the batch has keys 'b'"):
        moments.normalize({"b": 1})
    with pytest.raises(evenly.DataError, match="select='a': "):
        moments.normalize({"a": np.ones((2, 5))})


def test_to_dict_has_python_numbers() -> None:
    content = json.loads(json.dumps(fitted().to_dict()))
    assert content["act"] == {
        "columns": None, "count": [2], "missing": [0], "mean": [7.0], "std": [2.0], "min": [5.0],
        "max": [9.0],
    }  # fmt: skip


def test_repr_and_html() -> None:
    assert repr(fitted()).splitlines() == [
        "MomentsByKey of 2 keys",
        "key    column  count  missing  mean  std  min  max",
        "act    0           2        0     7    2    5    9",
        "state  0           2        0     2    1    1    3",
        "state  1           2        0     6    2    4    8",
    ]
    assert "<td>state</td><td>1</td>" in fitted()._repr_html_()
    wide = MomentsByKey({"<b>": evenly.fit(np.ones((2, 50)))})
    assert "(34 more)" in repr(wide)
    assert "&lt;b&gt;" in wide._repr_html_()
    assert repr(MomentsByKey.empty()) == "MomentsByKey of 0 keys"
    assert "bounds" in repr(fitted() + fitted() - fitted())


@pytest.mark.parametrize("distribution", [False, 16])
def test_round_trip_of_the_file(distribution: bool | int, tmp_path: Path) -> None:
    moments = fitted(distribution=distribution, feature_axis={"state": -1})
    moments.save(tmp_path / "m.json")
    loaded = evenly.load(tmp_path / "m.json")
    assert isinstance(loaded, MomentsByKey)
    assert loaded == moments == MomentsByKey.from_bytes(moments.to_bytes())
    assert loaded.paths == moments.paths
    assert loaded.feature_axes == {"act": None, "state": -1}
    assert loaded.to_bytes() == moments.to_bytes() == (tmp_path / "m.json").read_bytes()
    assert loaded["act"].distribution == int(distribution)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_any_keys_can_be_saved(values: dict[str, Any]) -> None:
    moments = MomentsByKey.empty()
    if values:
        moments = MomentsByKey({key: evenly.fit(x) for key, x in values.items()})
    assert MomentsByKey.from_bytes(moments.to_bytes()) == moments


def test_other_files_keep_their_bytes() -> None:
    part = evenly.fit(DATA["a"])
    assert b'"format_version": 1' in part.to_bytes()
    assert b'"format_version": 4' in fitted().to_bytes()
    with pytest.raises(evenly.StatisticsFileError, match=r"has several keys\. Read it with evenly"):
        evenly.Moments.from_bytes(fitted().to_bytes())
    with pytest.raises(evenly.StatisticsFileError, match="has no groups"):
        evenly.GroupedMoments.from_bytes(fitted().to_bytes())
    with pytest.raises(evenly.StatisticsFileError, match=r"has no keys\. Read it with evenly"):
        MomentsByKey.from_bytes(part.to_bytes())


def changed(**changes: Any) -> bytes:
    """Return a file whose first part has other values; None removes a key."""
    document = json.loads(fitted().to_bytes())
    part = document["parts"][0] | changes
    document["parts"][0] = {key: value for key, value in part.items() if value != "absent"}
    return json.dumps(document).encode()


def with_top(**changes: Any) -> bytes:
    document = json.loads(fitted().to_bytes()) | changes
    return json.dumps({k: v for k, v in document.items() if v != "absent"}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_top(parts="absent"), "the file has no .parts."),
        (with_top(rows=3), "the file has an unknown key .rows."),
        (with_top(parts={}), "'parts' must be an array"),
        (with_top(parts=[3]), "part 0: it must be an object. Received: 3"),
        (with_top(evenly_version=3), "part 0: 'evenly_version' must be text"),
        (changed(key=3), "part 0: 'key' must be text. Received: 3"),
        (changed(key="state"), "in ascending order, without repetitions. Received: .state. after"),
        (changed(key="z"), "must be in ascending order"),
        (changed(path="a"), "part 0: 'path' must be an array of strings and integers"),
        (changed(path=[1.5]), "part 0: 'path' must be an array"),
        (changed(path=[True]), "part 0: 'path' must be an array"),
        (changed(path=[2**63]), "part 0: 'path' must be an array"),
        (changed(path=["a"] * 33), "has at most 32 steps. Received: 33 for 'act'"),
        (changed(path=["obs"]), "must lead to separate parts"),
        (changed(feature_axis=1.5), "part 0: 'feature_axis' must be an integer, a name or null"),
        (changed(rows="absent"), "part 0: it has no .rows."),
        (changed(rows=-1), "part 0: 'rows' must be an integer"),
        (changed(files=[]), "part 0: it has an unknown key .files."),
        (changed(groups=[]), "part 0: it has an unknown key .groups."),
        (changed(bins=1), "part 0: 'bins' must be an integer from 2"),
        (changed(bins=16), "part 0: .*distribution"),
        (changed(columns=3), "part 0: 'columns' must be an array"),
        (changed(extremes="x"), "part 0: 'extremes' must be"),
    ],
)
def test_hostile_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(evenly.StatisticsFileError, match=message):
        evenly.load(tmp_path / "x.json")


def test_impossible_sums_are_refused() -> None:
    content = fitted().to_bytes().replace(b'"sum": "0x7p1"', b'"sum": "0x7p5"')
    with pytest.raises(evenly.StatisticsFileError, match="part 0: "):
        MomentsByKey.from_bytes(content)


def test_a_checkpoint_must_not_be_by_key(tmp_path: Path) -> None:
    fitted().save(tmp_path / "m.json")
    np.save(tmp_path / "x.npy", DATA["a"])
    with pytest.raises(evenly.EvenlyError, match=r"m\.json"):
        evenly.fit(tmp_path / "x.npy", checkpoint=tmp_path / "m.json")


def test_comparisons_take_one_key(tmp_path: Path) -> None:
    fitted().save(tmp_path / "m.json")
    for pair in ((fitted(), fitted()), (tmp_path / "m.json", tmp_path / "m.json")):
        with pytest.raises(evenly.UnsupportedTypeError, match=r"by key the moments of one key"):
            evenly.compare(*pair)  # type: ignore[arg-type]


def test_advice_on_the_axis_of_one_key_does_not_change_the_others() -> None:
    batches = [{"x": np.ones((5, 2)), "done": np.zeros(5), "i": np.ones((5, 3, 4, 4))}]
    with pytest.raises(
        evenly.DataError, match=r"feature_axis=\{'done': 0\} for a row of 5 columns"
    ):
        evenly.fit(batches, select={"x": "x", "done": "done"})
    with pytest.raises(evenly.DataError, match=r"feature_axis=\{'i': 1\} for N×C×H×W"):
        evenly.fit(batches, select={"x": "x", "i": "i"})
    moments = evenly.fit(batches, select={"x": "x", "done": "done"}, feature_axis={"done": 1})
    assert (moments["x"].rows, moments["done"].rows) == (5, 5)
