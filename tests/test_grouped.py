"""Moments by group, for any rows, any groups and any split."""

import copy
import pickle
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly
from evenly import GroupedMoments
from evenly.sources import ReadOptions, open_source
from strategies import arrays, splits, whole_weights

GROUPS = st.sampled_from(["a", "b", "c", None])


@st.composite
def grouped(draw, **options):
    """Draw an array, and a key for each of its rows."""
    x = draw(arrays(["float64", "float32", "int64", "int8", "bool"], **options))
    keys = draw(st.lists(GROUPS, min_size=len(x), max_size=len(x)))
    return x, np.array(keys, object)


@given(grouped(min_rows=1))
def test_group_has_moments_of_its_rows(data):
    x, keys = data
    moments = evenly.fit(x, by=keys)
    assert set(moments) == set(keys)
    for key, own in moments.items():
        rows = x[[k == key for k in keys]]
        assert own == evenly.fit(rows)
        assert own.rows == len(rows)
        np.testing.assert_array_equal(own.min, evenly.fit(rows).min)
        np.testing.assert_array_equal(own.max, evenly.fit(rows).max)


@given(grouped(min_rows=1))
def test_total_of_groups_equals_ungrouped_fit(data):
    x, keys = data
    total = evenly.fit(x, by=keys).total()
    assert total == evenly.fit(x)
    assert total.rows == len(x)


@given(grouped(min_rows=12, max_rows=12), splits(12))
def test_merge_of_any_split_equals_whole(data, parts):
    x, keys = data
    pieces = [evenly.fit(x[a:b], by=keys[a:b]) for a, b in parts if b > a]
    whole = evenly.fit(x, by=keys)
    assert evenly.merge(pieces) == whole
    assert sum(pieces) == whole
    assert sum(reversed(pieces)) == whole


@given(grouped(min_rows=2), st.data())
def test_subtract_restores_groups(data, more):
    x, keys = data
    cut = more.draw(st.integers(1, len(x) - 1))
    a, b = evenly.fit(x[:cut], by=keys[:cut]), evenly.fit(x[cut:], by=keys[cut:])
    rest = (a + b) - b
    assert rest == a
    assert set(rest) == set(a)
    assert rest.rows == a.rows


@given(grouped(min_rows=6, max_rows=6), whole_weights(6))
def test_integer_weight_equals_repeated_rows(data, weights):
    x, keys = data
    weighted = evenly.fit(x, by=keys, weights=weights)
    repeated = GroupedMoments.empty().update(np.repeat(x, weights, 0), by=np.repeat(keys, weights))
    assert weighted == repeated


@pytest.mark.parametrize("number", [1, 3, 40])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_many_rows_per_group_use_kernels(number, dtype):
    rng = np.random.default_rng(number)
    x = (rng.normal(50, 9, (20_000, 3))).astype(dtype)
    keys = rng.integers(0, number, len(x))
    moments = evenly.fit(x, by=keys)
    for key in range(number):
        assert moments[key] == evenly.fit(x[keys == key])


def test_values_of_every_magnitude_and_missing_values():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(9_000, 2)) * 2.0 ** rng.integers(-900, 400, (9_000, 2))
    x[rng.random(x.shape) < 0.1] = np.nan
    keys = rng.integers(0, 4, len(x))
    moments = evenly.fit(np.asfortranarray(x), by=keys)
    assert all(moments[key] == evenly.fit(x[keys == key]) for key in range(4))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_bits(threads):
    rng = np.random.default_rng(6)
    x, keys = rng.normal(size=(50_000, 4)), rng.integers(0, 300, 50_000)
    assert evenly.fit(x, by=keys, threads=threads) == evenly.fit(x, by=keys, threads=3)


@pytest.mark.parametrize("dtype", ["float64", "int8", "bfloat16"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_key_per_image(axis, dtype):
    torch = pytest.importorskip("torch")
    shape = {0: (3, 6, 4, 2), 1: (6, 3, 4, 2), -1: (6, 4, 2, 3)}[axis]
    x = torch.arange(144).reshape(shape).to(getattr(torch, dtype))
    labels = torch.tensor([0, 1, 0, 1, 1, 7])
    moments = evenly.fit(x, by=labels, feature_axis=axis)
    for label in (0, 1, 7):
        rows = x.movedim(axis, 0).reshape(3, -1, 8) if axis else x.reshape(3, 6, 8)
        chosen = rows[:, labels == label].reshape(3, -1).T
        assert moments[label] == evenly.fit(chosen)


def test_many_groups():
    keys = np.arange(30_000)
    moments = evenly.fit(keys[:, None] * np.ones((1, 5)), by=keys)
    assert len(moments) == 30_000
    assert moments[29_999].mean.tolist() == [29_999.0] * 5
    assert (moments + moments).total().rows == 60_000


# The mapping


def test_mapping_in_key_order():
    moments = evenly.fit([[1.0], [2.0], [3.0]], by=np.array(["b", None, "a"], object))
    assert list(moments) == ["a", "b", None]
    assert dict(moments)["b"].mean.tolist() == [2.0 - 1.0]
    assert "a" in moments
    assert "z" not in moments
    assert len(moments) == 3
    assert moments.by is None
    assert moments.columns is None


def test_several_by_columns_make_tuple_keys():
    frame = pl.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 1], "v": [1.0, 2.0, 3.0]})
    moments = evenly.fit(frame, by=["a", "b"])
    assert list(moments) == [("x", 1), ("x", 2), ("y", 1)]
    assert moments["x", 2].mean.tolist() == [2.0]
    assert moments.by == ("a", "b")
    assert list(evenly.fit(frame, by=["a"], columns="v")) == [("x",), ("y",)]


def test_missing_key_is_a_group_and_float_keys_become_integers():
    frame = pd.DataFrame({"s": [2.0, np.nan, 1.0, 2.0], "v": [1.0, 2.0, 3.0, 4.0]})
    moments = evenly.fit(frame, by="s")
    assert list(moments) == [1, 2, None]
    assert moments[None].count.tolist() == [1]
    assert moments == evenly.fit(pa.table({"s": [2, None, 1, 2], "v": [1.0, 2, 3, 4]}), by="s")


KEYS = {
    "text": ["b", "", None, "a long text, longer than twelve bytes", "b", "Ö"],
    "integers": [3, -1, None, 2**60, 3, 0],
    "floats": [0.5, -0.0, None, 1e300, 0.5, 0.25],
    "booleans": [True, False, None, True, True, False],
    "dates": [date(2013, 1, 31), date(1850, 1, 1), None, date(2013, 1, 31), date(1, 1, 1), None],
    "timestamps": [datetime(2013, 1, 31, 5), None, datetime(1900, 1, 1, 0, 0, 0, 7)] * 2,
    "aware": [datetime(2013, 1, 31, 5, tzinfo=UTC), None, datetime(1990, 1, 1, tzinfo=UTC)] * 2,
}
FRAMES = {
    "polars": lambda table: pl.from_arrow(table),
    "pandas": lambda table: table.to_pandas(),
    "pandas Arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pyarrow": lambda table: table,
    "pyarrow dictionary": lambda table: table.set_column(0, "k", table["k"].dictionary_encode()),
    "pyarrow runs": lambda table: table.set_column(
        0, "k", pa.compute.run_end_encode(table["k"].combine_chunks())
    ),
    "sliced pyarrow runs": lambda table: table.set_column(
        0,
        "k",
        pa.compute.run_end_encode(
            pa.concat_arrays([table["k"].slice(0, 2).combine_chunks(), table["k"].combine_chunks()])
        ).slice(2),
    ),
    "polars category": lambda table: (
        pl.from_arrow(table).with_columns(pl.col("k").cast(pl.Categorical))
        if table["k"].type == pa.string()
        else pl.from_arrow(table)
    ),
    "pandas category": lambda table: table.to_pandas().astype({"k": "category"}),
    "batches": lambda table: iter(table.to_batches(max_chunksize=2)),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", KEYS)
def test_keys_are_equal_in_every_frame_library(kind, frame, tmp_path):
    values = np.arange(6.0)
    table = pa.table({"k": pa.array(KEYS[kind]), "v": values})
    if kind == "aware":
        table = table.set_column(0, "k", pa.array(KEYS[kind], pa.timestamp("us", "UTC")))
    moments = evenly.fit(FRAMES[frame](table), by="k")
    assert set(moments) == set(KEYS[kind])
    assert {type(key) for key in moments} <= {type(key) for key in KEYS[kind]} | {int}
    unnamed = evenly.fit(values[:, None], by=KEYS[kind])
    assert [(group.sum, group.rows) for group in moments.values()] == [
        (unnamed[key].sum, unnamed[key].rows) for key in moments
    ]
    moments.save(tmp_path / "g.json")
    assert evenly.load(tmp_path / "g.json") == moments


def test_select_without_columns_is_refused():
    with pytest.raises(evenly.ColumnError, match="Received: no column to select"):
        evenly.fit({"k": [1, 2], "a": [1.0, 2.0]}, by="k").select([])


def test_select_columns_of_every_group():
    frame = pl.DataFrame({"k": [1, 2], "a": [1.0, 2.0], "b": [3.0, 4.0]})
    moments = evenly.fit(frame, by="k").select(["b"])
    assert moments.columns == ("b",)
    assert (
        moments == evenly.fit(frame, by="k", columns="b") == evenly.fit(frame, by="k", exclude="a")
    )


def test_copies_and_pickles_are_independent():
    moments = evenly.fit(pl.DataFrame({"k": ["x", "y"], "v": [1, 2]}), by="k")
    for other in (moments.copy(), copy.deepcopy(moments), pickle.loads(pickle.dumps(moments))):
        assert other == moments
        assert (list(other), other.dtypes, other.rows) == (["x", "y"], ("int64",), 2)
        other.update(pl.DataFrame({"k": ["z"], "v": [1]}))
        assert other != moments
        assert "z" not in moments


def test_column_order_does_not_matter():
    a = pl.DataFrame({"k": ["x"], "v": [1], "w": [2]})
    one, other = evenly.fit(a, by="k"), evenly.fit(a.select("w", "k", "v"), by="k")
    assert one == other
    assert (one + other)["x"].select(["w"]).mean.tolist() == [2.0]
    assert one + other - other == one


def test_empty_groups_are_the_identity():
    moments = evenly.fit(pl.DataFrame({"k": ["x"], "v": [1]}), by="k")
    assert GroupedMoments.empty("k") + moments == moments
    assert moments - GroupedMoments.empty("k") == moments
    assert moments - moments == GroupedMoments.empty("k")
    assert evenly.merge([moments]) == moments


# Mistakes


def test_failed_update_changes_nothing():
    moments = evenly.fit(pl.DataFrame({"k": ["x"], "v": [1.0]}), by="k")
    before = moments.copy()
    with pytest.raises(evenly.DataError, match=r"infinity in column 'v', row 1 of .*, group 'new'"):
        moments.update(pl.DataFrame({"k": ["z", "new"], "v": [1.0, np.inf]}))
    assert moments == before
    assert list(moments) == ["x"]
    moments.update(pl.DataFrame({"k": ["y"], "v": [1.0]}))
    assert list(moments) == ["x", "y"]


def test_rejected_block_leaves_no_key_type_or_columns():
    """Regression: after a rejected block with text keys, numeric keys were rejected."""

    def block(frame):
        return next(open_source(frame, ReadOptions(by="k")).blocks())

    moments = GroupedMoments.empty("k")
    with pytest.raises(evenly.DataError, match="infinity in column 'v'"):
        moments.update(block(pl.DataFrame({"k": ["a", "b"], "v": [1.0, np.inf]})))
    assert moments == GroupedMoments.empty("k")
    frame = pl.DataFrame({"k": [1, 2], "w": [1.0, 2.0]})
    assert moments.update(block(frame)) == evenly.fit(frame, by="k")
    assert moments.columns == ("w",)


def test_infinite_missing():
    moments = evenly.fit([[np.inf], [1.0]], by=np.array(["a", "b"]), infinite="missing")
    assert moments["a"].missing.tolist() == [1]


@pytest.mark.parametrize("number", [2, 4])
def test_wrong_number_of_keys_raises(number):
    with pytest.raises(
        evenly.DataError, match=f"by= must have one key per row. Received: {number}"
    ):
        evenly.fit(np.ones((3, 2)), by=np.arange(number))


MISTAKES = {
    "an unknown column": (
        {"by": "station"},
        evenly.ColumnError,
        "'station'.*Did you mean 'stations'",
    ),
    "a position of a column": (
        {"by": 0},
        evenly.ColumnError,
        "by= takes the names of a table's columns",
    ),
    "the weights": (
        {"by": "v", "weights": "v"},
        evenly.ColumnError,
        "Each column can be named once",
    ),
    "keys in two dimensions": ({"by": np.ones((3, 2))}, evenly.DataError, r"shape \(3, 2\)"),
    "an infinite key": ({"by": [np.inf, 1, 2]}, evenly.DataError, "key must be finite"),
    "a number for all": ({"by": 0.5}, evenly.DataError, "as an array or a list. Received: 0.5"),
    "an object": ({"by": [object(), 1, 2]}, evenly.UnsupportedTypeError, "of type object"),
    "lists": ({"by": "nested"}, evenly.UnsupportedTypeError, "column of type nested"),
    "times in nanoseconds": ({"by": "fine"}, evenly.UnsupportedTypeError, "whole microseconds"),
    "durations": ({"by": "long"}, evenly.UnsupportedTypeError, r"a column of type duration"),
    "two types": ({"by": ["a", 1, 2]}, evenly.DataError, "'a'|of one type"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_invalid_arguments_raise(mistake):
    table = pa.table(
        {
            "stations": ["a", "b", "c"],
            "v": [1.0, 2.0, 3.0],
            "nested": [[1], [2], [3]],
            "fine": pa.array([1, 2, 3], pa.timestamp("ns")),
            "long": pa.array([1, 2, 3], pa.duration("s")),
        }
    )
    options, error, text = MISTAKES[mistake]
    with pytest.raises(error, match=text):
        evenly.fit(table, **options)


def test_array_by_column_name_raises():
    with pytest.raises(evenly.ColumnError, match=r"Pass by=np.asarray\(keys\), or a data frame"):
        evenly.fit(np.ones((2, 2)), by=["a", "b"])


def test_text_and_number_keys_in_one_column_raise(tmp_path):
    a, b = pl.DataFrame({"k": [1], "v": [1.0]}), pl.DataFrame({"k": ["1"], "v": [1.0]})
    with pytest.raises(
        evenly.DataError, match=r"of one type. Received: column 'k' with '1', a text"
    ):
        evenly.fit(a, by="k") + evenly.fit(b, by="k")
    with pytest.raises(evenly.DataError, match="of one type"):
        evenly.fit([a, b], by="k")
    a.write_parquet(tmp_path / "a.parquet")
    b.write_parquet(tmp_path / "b.parquet")
    with pytest.raises(evenly.UnsupportedTypeError, match=r"number in .*a.parquet and text in"):
        evenly.fit(tmp_path, by="k")


def test_unknown_key_error():
    moments = evenly.fit(pl.DataFrame({"k": ["Newark"], "v": [1.0]}), by="k")
    with pytest.raises(evenly.ColumnError, match=r"Received: 'newark'; .* Did you mean 'Newark'"):
        moments["newark"]
    for nothing in (("a", "b"), object(), np.inf):
        assert nothing not in moments


def test_subtract_rows_never_added_raises():
    a = evenly.fit(pl.DataFrame({"k": ["x"], "v": [1.0]}), by="k")
    b = evenly.fit(pl.DataFrame({"k": ["y"], "v": [1.0]}), by="k")
    with pytest.raises(evenly.DataError, match=r"exceed the total in column 'v' of group 'y'"):
        a - b


def test_add_groups_by_other_columns_raises():
    frame = pl.DataFrame({"k": ["x"], "j": ["x"], "v": [1.0]})
    a, b = evenly.fit(frame, by="k", columns="v"), evenly.fit(frame, by="j", columns="v")
    assert a != b
    with pytest.raises(evenly.ColumnError, match=r"by='k' and by='j'"):
        a + b
    with pytest.raises(evenly.DataError, match=r"GroupedMoments and Moments. Fit both"):
        evenly.merge([a, a.total()])
    for mixed in (a.__add__, a.__radd__, a.__sub__, a.__rsub__):
        with pytest.raises(evenly.DataError, match=r"moments without groups. Fit both"):
            mixed(a.total())


def test_update_without_keys_raises():
    with pytest.raises(evenly.DataError, match=r"Pass by=keys"):
        GroupedMoments.empty().update(np.ones((2, 2)))


# Batches


def test_part_of_batch_as_keys():
    torch = pytest.importorskip("torch")
    x, y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 0, 1, 2, 2])
    expected = evenly.fit(x, by=y)
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    assert evenly.fit(loader, by=1) == expected
    assert evenly.fit(loader, select=0, by=1) == expected
    assert evenly.fit(data, by=1) == expected
    dicts = ({"x": a, "label": b} for a, b in loader)
    named = evenly.fit(dicts, select="x", by="label")
    assert named.by == "label"
    assert {key: own.sum for key, own in named.items()} == {k: o.sum for k, o in expected.items()}
    assert evenly.fit({"x": x, "label": y}, select="x", by="label") == named


@settings(max_examples=20)
@given(grouped(min_rows=1, max_rows=6), st.integers(0, 3))
def test_repr_shows_every_group_of_few(data, which):
    x, keys = data
    text = repr(evenly.fit(x, by=keys))
    assert text.startswith(f"{len(set(keys))} group")
    assert all(("(missing)" if key is None else key) in text for key in keys)


def test_repr_of_many_groups_is_short():
    moments = evenly.fit(np.ones((1000, 3)), by=np.arange(1000))
    lines = repr(moments).splitlines()
    assert len(lines) == 1 + 1 + 24 + 1
    assert "(2,976 more)" in lines[22]
    assert lines[-1].split()[:2] == ["999", "2"]
    assert moments._repr_html_().count("<tr>") == 26
