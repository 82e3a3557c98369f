"""Normalization of each row by the moments of its group."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import evenly

FRAMES = {
    "pandas": lambda table: table.to_pandas().set_index(pd.Index(range(100, 100 + len(table)))),
    "pandas Arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda table: pl.from_arrow(table),
    "polars lazy": lambda table: pl.from_arrow(table).lazy(),
    "pyarrow": lambda table: table,
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "duckdb": lambda table: duckdb.from_arrow(table),
}


def to_arrow(frame):
    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False)
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    return frame.to_arrow_table() if hasattr(frame, "to_arrow_table") else pa.table(frame)


def table_of(seed=1, number=40):
    rng = np.random.default_rng(seed)
    v = rng.normal(1.7e9, 3.0, number).astype(object)
    v[::7] = None
    return pa.table(
        {
            "text": [f"row {i}" for i in range(number)],
            "station": [["EWR", "JFK", None][i] for i in rng.integers(0, 3, number)],
            "v": pa.array(list(v), pa.float64()),
            "whole": rng.integers(2**60, 2**60 + 1000, number),
            "small": pa.array(rng.normal(size=number).astype(np.float32)),
        }
    )


COLUMNS = ["v", "whole", "small"]


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param](table_of())


def by_hand(table, moments, inverse=False, **options):
    """Normalize each group separately; return the rows in their original order."""
    keys = table["station"].to_pylist()
    parts = []
    for key in dict.fromkeys(keys):
        rows = [i for i, k in enumerate(keys) if k == key]
        group = moments[key]
        function = group.denormalize if inverse else group.normalize
        part = function(table.take(rows), **options)
        parts.append(part.append_column("row", pa.array(rows)))
    return pa.concat_tables(parts).sort_by("row").drop_columns("row")


def test_normalize_frame_by_group(frame):
    moments = evenly.fit(table_of(), by="station")
    result = moments.normalize(frame)
    assert type(result) is type(frame)
    assert to_arrow(result).to_pydict() == by_hand(table_of(), moments).to_pydict()
    if isinstance(frame, pd.DataFrame):
        assert (result.index == frame.index).all()


def test_denormalize_frame_by_group(frame):
    moments = evenly.fit(table_of(), by="station", columns=["v", "small"])
    back = to_arrow(moments.denormalize(moments.normalize(frame)))
    for name in ("v", "small"):
        near, old = back[name].to_numpy(), table_of()[name].to_numpy()
        np.testing.assert_allclose(near, old, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{"missing": "zero"}, {"dtype": "float64"}, {"correction": 1}])
def test_normalize_options_by_group(frame, options):
    moments = evenly.fit(table_of(), by="station")
    result = to_arrow(moments.normalize(frame, **options))
    assert result.to_pydict() == by_hand(table_of(), moments, **options).to_pydict()


METHODS = [
    {"method": "minmax"},
    {"method": "minmax", "range": (-3, 5), "dtype": "float64"},
    {"method": "maxabs", "clip": True},
    {"method": "robust", "missing": "zero"},
    {"method": "robust", "q": (0.1, 0.8), "clip": 0.5},
    {"method": "quantile", "clip": True},
    {"clip": 0.7},
]


@pytest.mark.parametrize("options", METHODS)
def test_methods_by_group_are_those_of_each_group(frame, options):
    moments = evenly.fit(table_of(), by="station", distribution=True)
    result = moments.normalize(frame, **options)
    assert type(result) is type(frame)
    expected = by_hand(table_of(), moments, **options)
    assert to_arrow(result).to_pydict() == expected.to_pydict()
    back = {name: value for name, value in options.items() if name in ("method", "range", "q")}
    table = to_arrow(moments.denormalize(frame, **back))
    assert table.to_pydict() == by_hand(table_of(), moments, inverse=True, **back).to_pydict()


def test_methods_of_arrays_and_tensors_by_group():
    rng = np.random.default_rng(5)
    x, keys = rng.normal(3.0, 2.0, (60, 3, 2)), rng.integers(0, 4, 60)
    x[::9] = np.nan
    moments = evenly.fit(x, by=keys, feature_axis=1, distribution=True)
    for options in METHODS:
        options = {name: value for name, value in options.items() if name != "dtype"}
        y = moments.normalize(x, by=keys, feature_axis=1, **options)
        tensor = moments.normalize(torch.tensor(x), by=keys, feature_axis=1, **options)
        np.testing.assert_allclose(tensor.numpy(), y, rtol=1e-14, atol=1e-14)
        for key in range(4):
            own = moments[key].normalize(x[keys == key], feature_axis=1, **options)
            np.testing.assert_array_equal(y[keys == key], own)


def test_extremes_of_each_group_become_0_and_1():
    x, keys = np.array([[1.0], [2.0], [5.0], [10.0], [30.0], [7.0]]), list("aaabbc")
    moments = evenly.fit(x, by=np.array(keys))
    y = moments.normalize(x, by=keys, method="minmax")
    assert y.ravel().tolist() == [0, 0.25, 1, 0, 1, 0]
    back = moments.denormalize(y, by=keys, method="minmax")
    assert back.ravel().tolist() == x.ravel().tolist()
    new = np.array([[9.0], [-5.0], [9.0]])
    assert moments.normalize(new, by=["a", "b", "c"], method="minmax", clip=True).tolist() == [
        [1], [0], [0],
    ]  # fmt: skip
    other = ["a", "z", "z"]
    total = moments.normalize(new, by=other, method="minmax", unknown="total", range=(0, 29))
    assert total.ravel().tolist() == [58, -6, 8]
    missing = moments.normalize(new, by=other, method="minmax", unknown="missing", clip=True)
    assert missing.ravel().tolist() == pytest.approx([1, np.nan, np.nan], nan_ok=True)


def test_equal_quantiles_of_a_group_are_an_error_only_if_it_is_used():
    x, keys = np.array([[0.0]] * 9 + [[4.0], [1.0], [2.0]]), ["a"] * 10 + ["b"] * 2
    moments = evenly.fit(x, by=np.array(keys), distribution=True)
    assert moments.normalize(x[10:], by=keys[10:], method="robust").ravel().tolist() == [-1, 1]
    message = (
        r"q=\(0.25, 0.75\), which must not be 0. Received: equal quantiles in column 0 of group"
    )
    for convert in (np.asarray, torch.tensor):
        with pytest.raises(evenly.DataError, match=message + " 'a'"):
            moments.normalize(convert(x), by=keys, method="robust")
    centered = moments.normalize(x, by=keys, method="robust", constant="center")
    assert centered[:10].tolist() == x[:10].tolist()


def test_methods_by_group_need_what_those_of_moments_need():
    x, keys = np.array([[1.0], [2.0]]), ["a", "b"]
    moments = evenly.fit(x, by=np.array(keys))
    with pytest.raises(evenly.DataError, match=r"need a distribution\. Received: moments without"):
        moments.normalize(x, by=keys, method="robust")
    with pytest.raises(
        evenly.DataError, match=r"only method='standard' uses\. Received: correction"
    ):
        moments.normalize(x, by=keys, method="minmax", correction=1)
    with pytest.raises(evenly.DataError, match="range= is an option of the methods 'minmax' and"):
        moments.normalize(x, by=keys, range=(0, 1))
    with pytest.raises(evenly.DataError, match="which limits the result to that size"):
        moments.normalize(x, by=keys, clip=True)
    rest = moments - evenly.fit(x[:1], by=np.array(keys[:1]))
    with pytest.raises(evenly.DataError, match="whose extremes are bounds"):
        rest.normalize(x[1:], by=keys[1:], method="minmax")


def test_limits_do_not_outlast_a_call():
    moments = evenly.fit(np.array([[0.0], [1.0]]), by=np.array(["a", "a"]))
    for clip, expected in ((0.5, 0.5), (None, 9.0), (True, 1.0), (None, 9.0)):
        y = moments.normalize([[9.0]], by=["a"], method="minmax", clip=clip)
        assert y.tolist() == [[expected]]
    total = moments.total()
    for clip, expected in ((0.5, 0.5), (None, 9.0), (True, 1.0), (None, 9.0)):
        assert total.normalize([[9.0]], method="minmax", clip=clip).tolist() == [[expected]]


def test_huge_constants_of_a_group_can_be_centered():
    x, keys = np.array([[1e300], [1e300], [1.0], [2.0]]), ["a", "a", "b", "b"]
    moments = evenly.fit(x, by=np.array(keys))
    near = np.array([[1e300 * (1 + 2**-40)], [1e300], [1.0], [2.0]])
    y = moments.normalize(near, by=keys, constant="center")
    assert y[:2].ravel().tolist() == [near[0, 0] - 1e300, 0]
    assert moments.denormalize(y, by=keys, constant="center")[0] == near[0]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(30, 3), (30,), (30, 3, 4)])
def test_normalize_array_by_group(shape, dtype):
    rng = np.random.default_rng(3)
    x = (100 + 20 * rng.normal(size=shape)).astype(dtype)
    keys = rng.integers(0, 4, 30)
    axis = 1 if len(shape) > 1 else -1
    moments = evenly.fit(x, by=keys, feature_axis=axis)
    y = moments.normalize(x, by=keys, feature_axis=axis)
    back = moments.denormalize(y, by=keys, feature_axis=axis, dtype="float64")
    for key in range(4):
        own = moments[key].normalize(x[keys == key], feature_axis=axis)
        np.testing.assert_array_equal(y[keys == key], own)
        assert y.dtype == own.dtype
    if dtype == "float64":
        np.testing.assert_allclose(back, x, rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_feature_axis_by_group(axis):
    rng = np.random.default_rng(4)
    x = np.moveaxis(rng.normal(size=(6, 5, 3)), 2, axis)
    keys = np.arange(x.shape[1 if axis == 0 else 0]) % 2
    moments = evenly.fit(x, by=keys, feature_axis=axis)
    y = moments.normalize(x, by=keys, feature_axis=axis)
    rows = x if axis else np.moveaxis(x, 0, 1)
    result = y if axis else np.moveaxis(y, 0, 1)
    for key in (0, 1):
        own = moments[key].normalize(rows[keys == key], feature_axis=axis or 1)
        np.testing.assert_array_equal(result[keys == key], own)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_normalized_groups_have_mean_0_and_variance_1(seed, number):
    rng = np.random.default_rng(seed)
    x, keys = rng.normal(1e9, 2.0, (number, 2)), rng.integers(0, 3, number)
    moments = evenly.fit(x, by=keys)
    after = evenly.fit(moments.normalize(x, by=keys), by=keys)
    for key, own in after.items():
        np.testing.assert_allclose(own.mean, 0, atol=1e-12)
        constant = moments[key].constant
        np.testing.assert_allclose(own.variance(), np.where(constant, 0, 1), rtol=1e-9)


def test_constant_group_becomes_exactly_zero():
    x, keys = np.array([[7.1], [7.1], [1.0], [3.0]]), ["a", "a", "b", "b"]
    moments = evenly.fit(x, by=np.array(keys))
    assert moments.normalize(x, by=keys).tolist() == [[0.0], [0.0], [-1.0], [1.0]]
    assert moments.denormalize(moments.normalize(x, by=keys), by=keys).tolist() == x.tolist()
    later = np.array([[8.1], [7.1], [1.0], [3.0]])
    assert moments.normalize(later, by=keys, constant="center")[0] == 1.0
    with pytest.raises(evenly.DataError, match="variance of exactly 0 in column 0 of group 'a'"):
        moments.normalize(x, by=keys, constant="error")


@pytest.mark.parametrize("power", [2.0**-1000, 2.0**1000])
def test_normalize_by_group_near_float64_limits(power):
    x, keys = np.array([[1.0], [3.0], [5.0], [5.5]]) * power, np.array([0, 0, 1, 1])
    moments = evenly.fit(x, by=keys)
    assert moments.normalize(x, by=keys).tolist() == [[-1.0], [1.0], [-1.0], [1.0]]
    assert moments.denormalize(moments.normalize(x, by=keys), by=keys).tolist() == x.tolist()


# Groups that are not known


def test_unknown_group_raises(frame):
    moments = evenly.fit(
        table_of().filter(pa.compute.equal(table_of()["station"], "EWR")), by="station"
    )
    with pytest.raises(
        Exception, match=r"Received: group '(JFK|\(missing\))', '.*'\. .*unknown=\"total\""
    ):
        to_arrow(moments.normalize(frame))


def test_unknown_missing_and_total():
    x, keys = np.array([[1.0], [3.0], [2.0], [8.0]]), ["a", "a", "b", "b"]
    moments = evenly.fit(x, by=np.array(keys))
    new = [[1.0], [4.0]]
    lost = moments.normalize(new, by=["a", "c"], unknown="missing")
    assert lost[0] == -1.0
    assert np.isnan(lost[1])
    rough = moments.normalize(new, by=["a", "c"], unknown="total")
    assert rough[1] == evenly.fit(x).normalize([[4.0]])
    with pytest.raises(
        evenly.DataError, match="unknown must be one of 'error', 'missing', 'total'"
    ):
        moments.normalize(new, by=["a", "c"], unknown="skip")


def test_key_of_another_type_raises():
    moments = evenly.fit([[1.0], [2.0]], by=[2013, 2014])
    with pytest.raises(
        evenly.DataError, match=r"group '2013' \(a text; the fitted keys have type number\)"
    ):
        moments.normalize([[1.0]], by=["2013"])


def test_value_in_column_without_values_in_group():
    frame = pl.DataFrame({"k": ["a", "a", "b"], "v": [None, None, 1.0]})
    moments = evenly.fit(frame, by="k")
    assert moments.normalize(frame)["v"].to_list() == [None, None, 0.0]
    with pytest.raises(evenly.DataError, match=r"at least one value.*column 'v' of group 'a'"):
        moments.normalize(pl.DataFrame({"k": ["a"], "v": [1.0]}))
    with pytest.raises(evenly.DataError, match=r"than correction=1.*column 'v' of group 'b'"):
        moments.normalize(frame, correction=1)
    with pytest.raises(evenly.DataError, match=r"than correction=1.*column 0 of group 'b'"):
        evenly.fit([[1.0]], by=np.array(["b"])).normalize([[1.0]], by=np.array(["b"]), correction=1)


# Mistakes


def test_frame_without_column_raises():
    moments = evenly.fit(table_of(), by="station")
    with pytest.raises(evenly.ColumnError, match=r"every key column. Missing: 'station'"):
        moments.normalize(table_of().drop_columns("station"))
    with pytest.raises(evenly.ColumnError, match=r"every column of the moments. Missing: 'v'"):
        moments.normalize(table_of().drop_columns("v"))
    keys = table_of()["station"]
    renamed = table_of().rename_columns({"station": "place"})
    assert moments.normalize(renamed, by="place")["v"] == moments.normalize(table_of())["v"]
    result = moments.normalize(table_of().drop_columns("station"), by=keys)
    assert result.to_pydict() == moments.normalize(table_of()).drop_columns("station").to_pydict()


def test_array_needs_one_key_per_row():
    moments = evenly.fit([[1.0], [2.0]], by=[1, 2])
    with pytest.raises(evenly.DataError, match=r"Received: ndarray, and no by="):
        moments.normalize(np.ones((2, 1)))
    with pytest.raises(evenly.DataError, match=r"Received: 'a'. A text names a column"):
        moments.normalize(np.ones((2, 1)), by="a")
    with pytest.raises(evenly.DataError, match=r"3 keys for 2 rows of x, of shape \(2, 1\)"):
        moments.normalize(np.ones((2, 1)), by=[1, 2, 1])
    named = evenly.fit(pl.DataFrame({"v": [1.0]}), by=np.array([1]))
    with pytest.raises(evenly.DataError, match=r"Received: a frame, and no by="):
        named.normalize(pl.DataFrame({"v": [1.0]}))


def test_time_unit_must_match_by_group():
    times = [datetime(2013, 1, 1) + timedelta(hours=i) for i in range(4)]
    frame = pl.DataFrame({"t": times, "k": [1, 1, 2, 2]})
    moments = evenly.fit(frame, by="k", columns=["t"])
    assert moments.normalize(frame)["t"].to_list() == [-1.0, 1.0, -1.0, 1.0]
    with pytest.raises(evenly.DataError, match="same unit throughout"):
        moments.normalize(frame.with_columns(pl.col("t").cast(pl.Datetime("ms"))))


# Tensors


@pytest.mark.parametrize("shape", [(6, 3), (6,), (6, 3, 2, 2)])
def test_normalize_tensor_by_group_with_gradients(shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float32)
    keys = torch.tensor([0, 1, 0, 1, 1, 0])
    axis = 1 if len(shape) > 1 else -1
    moments = evenly.fit(x, by=keys, feature_axis=axis)
    y = moments.normalize(x.requires_grad_(), by=keys, feature_axis=axis)
    expected = moments.normalize(x.detach().numpy(), by=keys, feature_axis=axis)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    y.sum().backward()
    assert x.grad is not None
    assert y.dtype == torch.float32


def test_tensor_by_group_errors():
    torch = pytest.importorskip("torch")
    moments = evenly.fit([[np.nan], [1.0]], by=np.array(["a", "b"]))
    with pytest.raises(evenly.DataError, match="column 0 of group 'a'"):
        moments.normalize(torch.ones(1, 1), by=["a"])
    nan = torch.tensor([[float("nan")]])
    assert moments.normalize(nan, by=["a"], missing="zero").tolist() == [[0.0]]
    with pytest.raises(evenly.UnsupportedTypeError, match="must be dense"):
        moments.normalize(nan.to(torch.complex64), by=["a"])
