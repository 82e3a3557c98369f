"""Dask collections: identical bits for any partitions, and lazy normalization."""

import doctest
from itertools import pairwise
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evenly
from evenly.dispatch import engine_of
from evenly.engines import partition
from evenly.engines.dask import project
from evenly.errors import ColumnError, DataError, UnsupportedTypeError
from evenly.fitting import run
from evenly.sources import FitOptions
from strategies import arrays, splits


@pytest.fixture(autouse=True)
def _threads():
    """Use threads; a bag would start processes otherwise."""
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def chunks(length):
    """Draw chunk lengths with this sum; some may be 0."""
    return splits(length).map(lambda parts: tuple(stop - start for start, stop in parts))


def make_frame(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(1.7e9, 2.0, (rows, 3)), columns=["a", "b", "c"])
    frame.loc[frame.index % 7 == 3, "b"] = np.nan
    frame["n"] = pd.array(rng.integers(0, 9, rows), "Int64")
    frame["f"] = rng.normal(size=rows).astype(np.float32)
    frame["w"] = rng.integers(0, 4, rows)
    frame["text"] = "x"
    return frame


def to_partitions(frame, *lengths):
    """Return a Dask frame with partitions of these lengths and unknown divisions."""
    edges = np.cumsum([0, *lengths, len(frame) - sum(lengths)])
    parts = [dask.delayed(frame.iloc[a:b]) for a, b in pairwise(edges)]
    return dd.from_delayed(parts, meta=frame.iloc[:0], verify_meta=False)


# ---- Fitting -------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.data(), arrays(min_rows=1))
def test_array_chunks_do_not_change_bits(data, x):
    rows, columns = data.draw(chunks(x.shape[0])), data.draw(chunks(x.shape[1]))
    columns = tuple(filter(None, columns))
    expected = evenly.fit(x)
    moments = evenly.fit(da.from_array(x, chunks=(rows, columns)))
    assert moments == expected
    assert (moments.rows, moments.dtypes) == (expected.rows, expected.dtypes)
    np.testing.assert_array_equal(moments.min, expected.min)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_feature_axis_of_chunked_array(axis):
    x = np.random.default_rng(3).integers(0, 255, (9, 6, 5), dtype=np.uint8)
    cut = da.from_array(x, chunks=(4, 2, 3))
    assert evenly.fit(cut, feature_axis=axis) == evenly.fit(x, feature_axis=axis)


def test_1d_array_is_one_column():
    x = np.arange(20.0)
    assert evenly.fit(da.from_array(x, chunks=7)) == evenly.fit(x)


@pytest.mark.parametrize("choice", [{"columns": [4, 0]}, {"exclude": [1, -1]}, {"columns": 2}])
def test_columns_and_exclude_across_chunks_keep_order(choice):
    x = np.random.default_rng(4).normal(size=(30, 6))
    moments = evenly.fit(da.from_array(x, chunks=(7, 2)), **choice)
    assert moments == evenly.fit(x, **choice)
    assert moments.mean.tolist() == evenly.fit(x, **choice).mean.tolist()


def test_chunks_of_unknown_length_or_without_rows():
    x = np.random.default_rng(5).normal(size=(40, 3))
    x[:10] = -1
    cut = da.from_array(x, chunks=(10, 2))
    known = cut[cut[:, 0] != -1]  # of the first chunk nothing is left
    assert np.isnan(known.shape[0])
    assert evenly.fit(known) == evenly.fit(x[10:])


@settings(max_examples=15)
@given(splits(60))
def test_frame_partitions_do_not_change_bits(parts):
    frame = make_frame()
    cut = to_partitions(frame, *(stop - start for start, stop in parts[:-1]))
    moments = evenly.fit(cut, weights="w")
    assert moments == evenly.fit(frame, weights="w")
    assert moments.columns == ("a", "b", "c", "n", "f")
    assert moments.rows == 60


@pytest.mark.parametrize(
    "options",
    [{"columns": ["f", "a"]}, {"columns": ["b"]}, {"exclude": ["w", "a"]}, {"columns": "w"}, {}],
)
def test_options_match_local_fit(options):
    frame = make_frame()
    moments, here = (
        evenly.fit(dd.from_pandas(frame, npartitions=5), **options),
        evenly.fit(frame, **options),
    )
    assert moments == here
    assert (moments.columns, moments.left_out) == (here.columns, here.left_out)


def test_columns_left_out_match_local_fit():
    frame = make_frame().assign(kind=pd.Categorical(["x", "y"] * 30))
    moments = evenly.fit(dd.from_pandas(frame, npartitions=5))
    assert moments.left_out == evenly.fit(frame).left_out
    assert moments.left_out.keys() == {"text", "kind"}


@pytest.mark.parametrize("method", ["groupby", "rolling", "resample"])
def test_groups_and_windows_of_rows_are_refused(method):
    frame = make_frame().set_index(pd.date_range("2026", periods=60))
    rows = getattr(dd.from_pandas(frame, npartitions=5), method)
    argument = {"groupby": "w", "rolling": 2, "resample": "2D"}[method]
    with pytest.raises(UnsupportedTypeError, match=r"without groups or windows.*by=\['column'\]"):
        evenly.fit(rows(argument))


def test_infinite_missing():
    frame = make_frame()
    frame.loc[31, "c"] = np.inf
    moments = evenly.fit(dd.from_pandas(frame, npartitions=4), infinite="missing")
    assert moments == evenly.fit(frame, infinite="missing")


def test_parquet_reads_only_selected_columns(tmp_path):
    frame = make_frame()
    for part in range(3):
        frame[part::3].to_parquet(tmp_path / f"{part}.parquet")
    read = dd.read_parquet(tmp_path)
    assert list(project(read, FitOptions(columns="b", weights="w"))[0].columns) == ["b", "w"]
    assert evenly.fit(read, columns=["b"]) == evenly.fit(frame, columns=["b"])
    assert evenly.fit(read) == evenly.fit(frame)


def test_unknown_categories_can_be_numeric(tmp_path):
    """The categories of a Parquet file are unknown until it is read."""
    frame = pd.DataFrame({"k": [1, 2, 2, 4], "s": list("abca")}).astype("category")
    frame.to_parquet(tmp_path / "x.parquet")
    read = dd.read_parquet(tmp_path)
    assert not read["k"].cat.known
    assert evenly.fit(read) == evenly.fit(frame)
    assert evenly.fit(read, columns="k") == evenly.fit(frame)
    with pytest.raises(UnsupportedTypeError, match="'s' of partition 0, which is category"):
        evenly.fit(read, columns="s")


def test_integer_column_labels():
    frame = pd.DataFrame({0: [1.0, 2.0], 1: [3.0, 4.0]})
    assert evenly.fit(dd.from_pandas(frame, npartitions=2), columns=["1"]).columns == ("1",)


def test_series_is_one_column():
    series = make_frame()["b"]
    assert evenly.fit(dd.from_pandas(series, npartitions=3)) == evenly.fit(series)


@pytest.mark.parametrize("count", [1, 4, 40])
def test_bag_of_batches(count):
    x = np.random.default_rng(6).normal(size=(40, 2, 3))
    bag = db.from_sequence(list(x), npartitions=count)
    expected = evenly.fit(x, feature_axis=-1)
    assert evenly.fit(bag) == expected  # its items have two dimensions
    assert evenly.fit(bag.map(lambda batch: (batch, "label")), select=0) == expected


def test_bag_of_frames_with_empty_partition():
    frame = make_frame()
    bag = db.from_sequence([frame.iloc[:9], frame.iloc[9:]], npartitions=2)
    assert evenly.fit(bag) == evenly.fit(frame)
    assert evenly.fit(bag.filter(lambda part: len(part) > 9)) == evenly.fit(frame.iloc[9:])


def test_list_of_delayed_is_partitions():
    x = np.random.default_rng(7).normal(size=(90, 3))
    parts = [dask.delayed(x[start::9]) for start in range(9)]
    assert evenly.fit(parts) == evenly.fit(x)
    assert evenly.fit(parts[3]) == evenly.fit(x[3::9])


def test_tree_reduction_with_several_levels():
    x = np.random.default_rng(8).normal(1e6, 1, (600, 2))
    assert evenly.fit(da.from_array(x, chunks=(1, 2))) == evenly.fit(x)


def test_tasks_use_one_thread_by_default(monkeypatch):
    """Dask already runs one task per core."""
    seen = []

    def recording_fit(source, options):
        seen.append(options.threads)
        return run.run_fit(source, options)

    monkeypatch.setattr(partition, "run_fit", recording_fit)
    evenly.fit(da.ones((4, 2)))
    evenly.fit(da.ones((4, 2)), threads=3)
    assert seen == [1, 3]


def test_local_data_has_no_engine():
    for x in ([], [1.0], np.ones(2), pd.DataFrame(), [np.ones(2)], "file.csv", None):
        assert engine_of(x) is None


# ---- Normalization -------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.data(), arrays(("float32", "float64", "uint8", "bool"), min_rows=1, missing=False))
def test_normalize_array_matches_local_result(data, x):
    cut = da.from_array(
        x, chunks=(data.draw(chunks(len(x))), tuple(filter(None, data.draw(chunks(x.shape[1])))))
    )
    moments = evenly.fit(x)
    y = moments.normalize(cut)
    assert (y.chunks, y.dtype) == (cut.chunks, moments.normalize(x).dtype)
    np.testing.assert_array_equal(y.compute(), moments.normalize(x))
    np.testing.assert_array_equal(
        moments.denormalize(y).compute(), moments.denormalize(moments.normalize(x))
    )


def test_normalize_options_apply_to_chunks():
    x = np.array([[1.0, 5.0], [np.nan, 5.0], [4.0, 5.0]])
    cut = da.from_array(x, chunks=(1, 1))
    moments = evenly.fit(x)
    options = {"missing": "zero", "constant": "center", "correction": 1, "dtype": "float32"}
    y = moments.normalize(cut, **options)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.compute(), moments.normalize(x, **options))
    assert moments.normalize(cut, dtype=ml_dtypes.bfloat16).dtype == ml_dtypes.bfloat16


def test_normalize_images_by_channel():
    x = np.random.default_rng(9).integers(0, 255, (6, 3, 4, 4), dtype=np.uint8)
    moments = evenly.fit(x, feature_axis=1)
    y = moments.normalize(da.from_array(x, chunks=(4, 2, 3, 4)), feature_axis=1)
    np.testing.assert_array_equal(y.compute(), moments.normalize(x, feature_axis=1))


def test_normalize_array_of_unknown_length():
    x = da.from_array(np.arange(12.0).reshape(6, 2), chunks=(2, 1))
    part = x[x[:, 0] > 3]
    y = evenly.fit(part).normalize(part)
    assert np.isnan(y.shape[0])
    assert evenly.fit(y.compute()).mean.tolist() == [0.0, 0.0]


def test_normalize_frame_keeps_names_dtypes_and_divisions():
    frame = make_frame()
    cut = dd.from_pandas(frame, npartitions=4)
    moments = evenly.fit(cut, exclude="w")
    y = moments.normalize(cut)
    assert isinstance(y, dd.DataFrame)
    assert y.divisions == cut.divisions
    expected = moments.normalize(cut.compute())
    pd.testing.assert_series_equal(y.dtypes, expected.dtypes)
    pd.testing.assert_frame_equal(y.compute(), expected)
    pd.testing.assert_frame_equal(moments.denormalize(y).compute(), moments.denormalize(expected))


def test_normalize_series_returns_series():
    cut = dd.from_pandas(make_frame()["a"], npartitions=3)
    y = evenly.fit(cut).normalize(cut)
    assert isinstance(y, dd.Series)
    assert y.name == "a"
    assert evenly.fit(y).std() == pytest.approx(1.0)


def test_normalize_bag_and_list_of_delayed():
    x = np.random.default_rng(10).normal(5, 2, (12, 2))
    moments = evenly.fit(x)
    bag = moments.normalize(db.from_sequence([x[:5], x[5:]], npartitions=2))
    assert isinstance(bag, db.Bag)
    np.testing.assert_array_equal(np.concatenate(bag.compute()), moments.normalize(x))
    one = moments.normalize(dask.delayed(x))
    np.testing.assert_array_equal(one.compute(), moments.normalize(x))
    parts = moments.normalize([dask.delayed(x[:5]), dask.delayed(x[5:])])
    np.testing.assert_array_equal(np.concatenate(dask.compute(*parts)), moments.normalize(x))


def test_scaling_is_in_the_graph_once():
    x = da.ones((1000, 50), chunks=(1, 50))
    y = evenly.fit(np.random.default_rng(11).normal(size=(9, 50))).normalize(x)
    (optimized,) = dask.optimize(y)
    scalings = [task for key, task in dict(optimized.dask).items() if "caling" in str(key)]
    assert len(scalings) == 1


# ---- Errors --------------------------------------------------------------------------------


def test_infinity_error_names_column_row_and_partition():
    frame = make_frame()
    frame.loc[40, "c"] = np.inf
    with pytest.raises(DataError, match="infinity in column 'c', row 4 of partition 2"):
        evenly.fit(to_partitions(frame, 18, 18))


def test_infinity_error_names_block_of_array():
    x = np.ones((6, 5))
    x[4, 3] = np.inf
    cut = da.from_array(x, chunks=(3, 2))
    location = r"column 1, row 1 of x\.blocks\[1, 1\] \(whose column 0 is column 2 of x\)"
    with pytest.raises(DataError, match=location):
        evenly.fit(cut)
    assert np.isinf(cut.blocks[1, 1][1, 1].compute())
    with pytest.raises(DataError, match=r"column 3, row 4 of x\.blocks\[0, 0\]\. Correct"):
        evenly.fit(da.from_array(x, chunks=(6, 5)), columns=[2, 3])


def test_unknown_column_raises_before_computation():
    def never(part):
        raise AssertionError

    frame = make_frame()
    cut = dd.from_pandas(frame, npartitions=2).map_partitions(never, meta=frame.iloc[:0])
    with pytest.raises(ColumnError, match="Received: 'aa'; the Dask DataFrame has 'a', 'b'"):
        evenly.fit(cut, columns="aa")
    with pytest.raises(ColumnError, match="Missing: 'a'"):
        evenly.fit(frame).normalize(cut.rename(columns={"a": "z"}))


def test_array_weights_by_name_raise():
    with pytest.raises(ColumnError, match=r"only positions from 0 to 1\. Received: 'w', for the D"):
        evenly.fit(da.ones((4, 2)), weights="w")


def test_options_that_cannot_be_distributed_raise():
    x = da.ones((4, 2))
    with pytest.raises(UnsupportedTypeError, match="must be the name of a column"):
        evenly.fit(x, weights=np.ones(4))
    with pytest.raises(UnsupportedTypeError, match=r"such as dask\.diagnostics.ProgressBar"):
        evenly.fit(x, progress=print)
    with pytest.raises(UnsupportedTypeError, match="a new collection is returned"):
        evenly.fit(x).normalize(x, out=np.ones((4, 2)))


def test_unknown_number_of_columns_raises():
    x = da.ones((4, 4), chunks=2)
    with pytest.raises(DataError, match=r"Call x.compute_chunk_sizes\(\) first"):
        evenly.fit(x[:, x[0] > 0])


def test_no_rows_error_names_collection():
    with pytest.raises(DataError, match="Received: a Dask DataFrame of 1 partitions, with none"):
        evenly.fit(dd.from_pandas(make_frame().iloc[:0], npartitions=1))


def test_wrong_number_of_features_raises_before_computation():
    with pytest.raises(DataError, match=r"as many features as the moments, 3\. Received: 2"):
        evenly.fit(np.ones((2, 3))).normalize(da.ones((4, 2)))


def test_collections_are_not_computed_implicitly():
    """Dask arrays have ``__array__``, which computes the whole array."""
    x = da.ones((4, 2))
    with pytest.raises(UnsupportedTypeError, match=r"of type Array\. Pass it to evenly\.fit, and"):
        evenly.Moments.empty().update(x)
    with pytest.raises(UnsupportedTypeError, match="Received: batch 0 of type Array"):
        evenly.fit([x, x])
    with pytest.raises(UnsupportedTypeError, match="Received: batch 0 of type Array"):
        evenly.fit(x for _ in range(2))


def test_user_exception_propagates():
    def broken(part):
        raise OSError("no such disk")

    frame = make_frame()
    with pytest.raises(OSError, match="no such disk"):
        evenly.fit(dd.from_pandas(frame, npartitions=2).map_partitions(broken, meta=frame[:0]))


def test_docs_page_session():
    page = Path(__file__).parents[2] / "docs" / "engines" / "dask.md"
    failed, run = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert run > 5
    assert failed == 0


def test_delayed_file_name(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    name = dask.delayed(str)(tmp_path / "x.npy")
    assert evenly.fit([name, name]) == evenly.fit(np.ones((6, 2)))
