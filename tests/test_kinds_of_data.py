"""The kind of thing that normalize gets comes back; columns are chosen by their labels."""

import array
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from scipy import sparse

import evenly
from evenly.moments.load import merge

X = np.array([[1.0, 10.0], [3.0, 30.0], [8.0, 20.0]])
MOMENTS = evenly.fit(X)


def refusal(error, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


# Series


@pytest.mark.parametrize("function", ["normalize", "denormalize"])
def test_pandas_series_keeps_index_and_name(function):
    series = pd.Series([1.0, 3.0], index=["p", "q"], name="s")
    result = getattr(evenly.fit(series), function)(series)
    expected = getattr(evenly.fit([1.0, 3.0]), function)([1.0, 3.0])
    pd.testing.assert_series_equal(result, pd.Series(expected, index=["p", "q"], name="s"))


def test_polars_series_keeps_its_name_and_nulls():
    series = pl.Series("s", [1.0, None, 3.0])
    assert evenly.fit(series).normalize(series).equals(pl.Series("s", [-1.0, None, 1.0]))
    unnamed = pl.Series([1.0, 3.0])
    assert evenly.fit(unnamed).normalize(unnamed).name == ""


def test_arrow_arrays_keep_their_chunks_and_nulls():
    chunks = pa.chunked_array([[1.0], [], [None, 3.0]])
    result = evenly.fit(chunks).normalize(chunks)
    assert [chunk.to_pylist() for chunk in result.chunks] == [[-1.0], [], [None, 1.0]]
    whole = pa.array([1.0, None, 3.0])
    assert evenly.fit(whole).normalize(whole).to_pylist() == [-1.0, None, 1.0]
    for empty in (pa.chunked_array([], pa.int32()), pa.array([], pa.int32())):
        result = evenly.fit(whole).normalize(empty)
        assert isinstance(result, pa.ChunkedArray) is isinstance(empty, pa.ChunkedArray)
        assert (result.type, len(result)) == (pa.float64(), 0)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table])
def test_frames_without_rows(make):
    frame = make({"a": np.array([1, 3]), "t": ["x", "y"]})
    empty = frame.slice(0, 0) if hasattr(frame, "slice") else frame.head(0)
    result = evenly.fit(frame).normalize(empty)
    assert type(result) is type(frame)
    result = result.collect() if isinstance(result, pl.LazyFrame) else result
    assert len(result) == 0
    column = result["a"]
    assert getattr(column, "dtype", None) in (np.float64, pl.Float64) or column.type == pa.float64()


def test_series_is_matched_by_name_among_several_columns():
    frame = pd.DataFrame(X, columns=["a", "b"])
    moments = evenly.fit(frame)
    assert moments.normalize(frame["b"]).equals(moments.normalize(frame)["b"])
    message = refusal(evenly.ColumnError, moments.normalize, frame["b"].rename("c"))
    assert "Received: 'c'; the moments have 'a', 'b'. Rename it" in message
    one = moments["a"].normalize(frame["b"].rename("c"))  # which column is not a question
    assert one.name == "c"


@pytest.mark.parametrize("make", [pd.Series, lambda x: pl.Series("x", x), pa.array])
def test_series_by_group(make):
    series, keys = make([1.0, 3.0, 5.0, 9.0]), [1, 1, 2, 2]
    result = evenly.fit(series, by=keys).normalize(series, by=keys)
    assert type(result) is type(series)
    assert list(np.asarray(result)) == [-1.0, 1.0, -1.0, 1.0]


# xarray


@pytest.fixture
def field():
    return xr.DataArray(
        np.arange(24.0).reshape(4, 3, 2),
        dims=("time", "level", "lat"),
        coords={"level": [850, 500, 250], "lat": [10.0, 20.0]},
        name="t",
        attrs={"units": "K"},
    )


def test_data_array_keeps_coordinates_and_attributes(field):
    moments = evenly.fit(field, feature_axis="level")
    assert moments.columns == ("850", "500", "250")
    rows = np.moveaxis(field.values, 1, -1).reshape(-1, 3)
    assert [float(x) for x in moments.mean] == rows.mean(axis=0).tolist()
    result = moments.normalize(field, feature_axis="level")
    assert result.attrs == field.attrs
    assert result.coords.equals(field.coords)
    expected = evenly.fit(field.values, feature_axis=1).normalize(field.values, feature_axis=1)
    np.testing.assert_array_equal(result.values, expected)
    back = moments.denormalize(result, feature_axis="level")
    xr.testing.assert_allclose(back, field)


def test_labels_are_matched_in_any_order(field):
    moments = evenly.fit(field, feature_axis="level")
    turned = field.isel(level=[2, 0, 1])
    result = moments.normalize(turned, feature_axis="level")
    xr.testing.assert_equal(
        result, moments.normalize(field, feature_axis="level").isel(level=[2, 0, 1])
    )
    with pytest.raises(evenly.ColumnError, match="Missing: '250'"):
        moments.normalize(field.isel(level=[0, 1]), feature_axis="level")


def test_columns_are_chosen_by_labels(field):
    moments = evenly.fit(field, feature_axis="level", columns=[500, "850"])
    assert moments.columns == ("500", "850")


def test_dimensions_are_named_in_errors(field):
    message = refusal(evenly.DataError, evenly.fit, field)
    assert "with dimensions 'time', 'level', 'lat' that may be named too" in message
    assert "feature_axis=1 for N×C×L (3 columns)" in message
    message = refusal(evenly.DataError, evenly.fit, field, feature_axis="levl")
    assert "Received: 'levl'; the DataArray t has 'time', 'level', 'lat'. Did you" in message


def test_dataset_keeps_coordinates_and_attributes(field):
    data = xr.Dataset({"t": field, "u": field * 2, "other": ("lat", [1.0, 2.0])}, attrs={"a": 1})
    data["t"].encoding = {"scale_factor": 0.1, "dtype": "int16"}
    moments = evenly.fit(data, columns=["t", "u"])
    result = moments.normalize(data)
    assert isinstance(result, xr.Dataset)
    assert result.attrs == {"a": 1}
    assert result["t"].attrs == field.attrs
    assert result["t"].encoding == {}  # normalized values must not be packed like the old ones
    assert result["other"].equals(data["other"])
    expected = evenly.fit(field.values.ravel()).normalize(field.values.ravel())
    np.testing.assert_array_equal(result["t"].values.ravel(), expected)
    xr.testing.assert_equal(moments.normalize(data["t"]), result["t"])
    with pytest.raises(evenly.ColumnError, match="Missing: 'u'"):
        moments.normalize(data.drop_vars("u"))


def test_lazy_data_array_stays_lazy(field):
    pytest.importorskip("dask.array")
    moments = evenly.fit(field, feature_axis=1)
    result = moments.normalize(field.chunk({"time": 2}), feature_axis=1)
    assert result.chunks is not None
    xr.testing.assert_equal(result.compute(), moments.normalize(field, feature_axis=1))


# Selection


def test_integers_are_labels_of_pandas():
    frame = pd.DataFrame({5: [1.0, 2.0], 2: [3.0, 4.0], 0: [7.0, 9.0]})
    assert evenly.fit(frame, columns=[2]).mean.tolist() == [3.5]
    assert evenly.fit(frame, exclude=[2]).columns == ("5", "0")
    moments = evenly.fit(frame)
    assert moments.select([0]).mean.tolist() == [8.0]
    assert moments[5].mean.tolist() == [1.5]
    assert list(moments.normalize(frame).columns) == [5, 2, 0]
    assert list(evenly.fit(frame, by=5)) == [1.0, 2.0]


def test_positions_are_only_for_columns_without_names():
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    message = refusal(evenly.ColumnError, evenly.fit, frame, columns=[1])
    assert "only those of arrays by position. Received: 1; the table has 'a', 'b'" in message
    assert evenly.fit(X, columns=[1]).mean.tolist() == [20.0]
    assert evenly.fit(pd.Series([1.0, 3.0]), columns=[0]).mean.tolist() == [2.0]


def test_labels_of_several_levels():
    frame = pd.DataFrame({("close", "A"): [1.0, 3.0], ("close", "B"): [10.0, 30.0]})
    moments = evenly.fit(frame)
    result = moments.normalize(frame)
    assert result.columns.equals(frame.columns)
    assert result.to_numpy().tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert evenly.fit(frame, columns=[("close", "B")]).mean.tolist() == [20.0]
    assert moments["close", "B"].mean.tolist() == [20.0]
    assert moments.denormalize(result).equals(frame)


def test_repeated_label_is_refused():
    moments = evenly.fit(pd.DataFrame({"a": [1.0, 2.0]}))
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    assert "with 'a' 2 times" in refusal(evenly.ColumnError, moments.normalize, frame)


def test_dict_of_columns_is_a_table():
    torch = pytest.importorskip("torch")
    data = {
        "list": [1, 2, None],
        "array": np.array([1.0, 2.0, 6.0]),
        "tensor": torch.tensor([1.0, 2.0, 6.0]),
        "series": pl.Series([1, None, 3]),
        "text": ["a", "b", "c"],
    }
    moments = evenly.fit(data)
    assert moments.columns == ("list", "array", "tensor", "series")
    assert moments.mean.tolist() == [1.5, 3.0, 3.0, 2.0]
    assert moments.left_out == {"text": "text"}
    result = moments.normalize(data)
    assert result["list"][:2].tolist() == [-1.0, 1.0]
    assert np.isnan(result["list"][2])
    assert [type(result[name]) for name in list(data)[1:]] == [
        type(data[name]) for name in list(data)[1:]
    ]
    assert result["text"] is data["text"]
    assert moments == evenly.fit([data])
    by = evenly.fit(data, by="text")
    assert by.normalize(data)["array"].tolist() == [0.0, 0.0, 0.0]


def test_dict_of_columns_of_other_lengths_is_refused():
    message = refusal(evenly.DataError, evenly.fit, {"a": [1, 2], "b": [1]})
    assert "unless they are columns: one-dimensional and of the same length" in message
    with pytest.raises(evenly.DataError, match=r"of the same length. Received: a dict with 'a'"):
        MOMENTS.normalize({"a": X})


FORMATS = [
    sparse.csr_matrix,
    sparse.csc_array,
    sparse.coo_array,
    sparse.dok_matrix,
    sparse.lil_matrix,
]


@pytest.mark.parametrize("make", FORMATS)
def test_zeros_of_sparse_matrices_are_values(make):
    dense = np.array([[0.0, 2.0], [0.0, 0.0], [np.nan, 5.0]])
    matrix = make(dense)
    assert evenly.fit(matrix) == evenly.fit(dense)
    assert evenly.fit(matrix, columns=[1]) == evenly.fit(dense, columns=[1])
    assert evenly.fit(matrix, weights=[1, 2, 0.5]) == evenly.fit(dense, weights=[1, 2, 0.5])
    assert evenly.fit(matrix, by=[1, 2, 1]) == evenly.fit(dense, by=[1, 2, 1])
    both = evenly.fit(matrix).update(matrix)
    assert both == evenly.fit(np.vstack([dense, dense]))
    assert both.rows == 6


def test_infinity_in_a_sparse_matrix_is_located():
    matrix = sparse.csr_matrix(np.array([[0.0, 1.0], [0.0, np.inf]]))
    message = refusal(evenly.DataError, evenly.fit, matrix)
    assert "infinity in column 1, row 1 of the array" in message
    assert evenly.fit(matrix, infinite="missing").missing.tolist() == [0, 1]


def test_ranges_and_arrays_of_the_standard_library():
    assert evenly.fit(range(5)) == evenly.fit(np.arange(5))
    assert evenly.fit(array.array("d", [1.0, 2.0])) == evenly.fit([1.0, 2.0])


def test_open_files_and_bytes_are_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    with open(path, "rb") as file:
        message = refusal(evenly.UnsupportedTypeError, evenly.fit, file)
    assert f"Pass its path: evenly.fit({str(path)!r})." in message
    for x in (io.BytesIO(b"1"), b"1", memoryview(b"1")):
        message = refusal(evenly.UnsupportedTypeError, evenly.fit, x)
        assert "must not be an open file or bytes" in message
        assert "np.frombuffer(data, dtype)" in message


# What people write


def test_ddof_is_the_name_of_numpy_for_correction():
    assert MOMENTS.std(ddof=1).tolist() == MOMENTS.std(correction=1).tolist()
    assert MOMENTS.variance(ddof=1).tolist() == MOMENTS.variance(1).tolist()
    with pytest.raises(evenly.DataError, match=r"two names.*correction=1 and ddof=2. Pass one"):
        MOMENTS.std(1, ddof=2)


def test_names_of_other_libraries_are_explained():
    with pytest.raises(AttributeError, match=r"'var'. Write moments.variance\(\)"):
        _ = MOMENTS.var
    groups = evenly.fit(X, by=[1, 1, 2])
    with pytest.raises(AttributeError, match=r"moments\[key\].mean for one group, or moments"):
        _ = groups.mean
    assert not hasattr(MOMENTS, "blocks")
    assert not hasattr(groups, "blocks")


def test_merge_takes_paths(tmp_path):
    MOMENTS.save(tmp_path / "a.json")
    assert merge([tmp_path / "a.json", str(tmp_path / "a.json"), MOMENTS]) == evenly.fit(
        np.vstack([X, X, X])
    )
    assert "Pass a list of paths" in refusal(evenly.UnsupportedTypeError, merge, "a.json")
    assert "Received: int." in refusal(evenly.UnsupportedTypeError, merge, [1])


def test_update_with_one_row_says_what_to_write():
    moments = MOMENTS.copy()
    message = refusal(evenly.ColumnError, moments.update, X[0])
    assert "have 2. Received: the array of shape (2,). A single row" in message
    assert moments == MOMENTS
    message = refusal(evenly.DataError, evenly.Moments.empty().update, X[0])
    assert "Pass x[None, :] for one row, x[:, None] for one column" in message
    assert evenly.Moments.empty(1).update(X[0]).count.tolist() == [2]
    assert evenly.Moments.empty().update(pd.Series(X[0], name="a")).columns == ("a",)


# Integers


def test_unix_seconds_are_restored():
    seconds = np.random.default_rng(0).integers(1_600_000_000, 1_800_000_000, (1000, 1))
    for dtype in (np.int64, np.int32, np.uint32):
        x = seconds.astype(dtype)
        moments = evenly.fit(x)
        assert np.abs(moments.denormalize(moments.normalize(x)) - x).max() < 0.5
        frame = pd.DataFrame(x, columns=["t"])
        moments = evenly.fit(frame)
        back = moments.denormalize(moments.normalize(frame))
        assert np.abs(back - frame).to_numpy().max() < 0.5


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_integer_tensors_have_the_default_dtype_of_torch(default):
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, default))
    try:
        for dtype in (torch.int64, torch.uint8, torch.bool):
            x = torch.tensor([[0], [1]], dtype=dtype)
            assert str(evenly.fit(x).normalize(x).dtype) == f"torch.{default}"
    finally:
        torch.set_default_dtype(before)


# Nearly constant columns

NOISE = np.array([[0.1, 1.0], [np.nextafter(0.1, 1), 2.0], [0.1, 6.0]])


def test_tolerance_makes_nearly_constant_columns_constant():
    moments = evenly.fit(NOISE)
    assert moments.nearly_constant(1e-12).tolist() == [True, False]
    assert np.abs(moments.normalize(NOISE)[:, 0]).max() > 1
    result = moments.normalize(NOISE, tolerance=1e-12)
    assert not result[:, 0].any()
    np.testing.assert_array_equal(result[:, 1], moments.normalize(NOISE)[:, 1])
    np.testing.assert_array_equal(moments.denormalize(result, tolerance=1e-12)[:, 0], 0.1)
    centered = moments.normalize(NOISE, tolerance=1e-12, constant="center")
    assert 0 < np.abs(centered[:, 0]).max() < 1e-16
    with pytest.raises(evenly.DataError, match=r"within tolerance=1e-12 in column 0"):
        moments.normalize(NOISE, tolerance=1e-12, constant="error")
    for tolerance in (-1, 1, np.nan, "small"):
        with pytest.raises(evenly.DataError, match="tolerance must be a number from 0 to less"):
            moments.normalize(NOISE, tolerance=tolerance)


@pytest.mark.parametrize("unit", [2.0**-1000, 1.0, 2.0**990])
def test_tolerance_is_relative_to_the_size_of_the_column(unit):
    moments = evenly.fit(NOISE * unit)
    assert moments.nearly_constant(1e-12).tolist() == [True, False]
    assert not moments.normalize(NOISE * unit, tolerance=1e-12)[:, 0].any()


def test_tolerance_by_group():
    keys = [1, 1, 2]
    moments = evenly.fit(NOISE, by=keys)
    assert moments.normalize(NOISE, by=keys)[:2, 0].tolist() == [-1.0, 1.0]
    assert not moments.normalize(NOISE, by=keys, tolerance=1e-12)[:, 0].any()


# Columns that are not fitted


def test_left_out_travels_with_the_moments():
    frame = pd.DataFrame({"a": [1.0, 2.0], "t": ["x", "y"], "d": pd.to_datetime(["2020"] * 2)})
    moments = evenly.fit(frame)
    expected = {"t": "text", "d": "timestamp"}
    groups = evenly.fit(frame, by=[1, 2])
    parts = [moments, moments + moments, moments.copy(), moments["a"], groups, groups[1]]
    for part in [*parts, groups.total(), evenly.Moments.empty().update(frame), moments - moments]:
        assert part.left_out == expected
    for part in (moments, groups):
        assert repr(part).endswith("left out: t (text); d (timestamp)")
        assert "left out: t (text); d (timestamp)" in part._repr_html_()
    assert (moments + evenly.fit(frame[["a"]])).left_out == expected
    assert evenly.fit(frame, columns=["a"]).left_out == {}


def test_columns_of_weights_and_keys_that_columns_names_are_left_out_visibly():
    frame = pd.DataFrame({"a": [1.0, 2.0], "w": [1, 2], "k": ["x", "y"]})
    moments = evenly.fit(frame, columns=["a", "w", "k"], weights="w", by="k")
    assert moments.columns == ("a",)
    assert moments.left_out == {"k": "group key", "w": "weights"}
    assert evenly.fit(frame, columns=["a"], weights="w", by="k").left_out == {}


def test_left_out_is_not_saved(tmp_path):
    """Format version 1 has no place for it."""
    evenly.fit(pd.DataFrame({"a": [1.0], "t": ["x"]})).save(tmp_path / "x.json")
    assert evenly.load(tmp_path / "x.json").left_out == {}
