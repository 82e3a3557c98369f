"""Dask collections: the bits of one machine for any partitions; lazily normalised."""

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
from evenly.engines.options import FitOptions
from evenly.errors import ColumnError, DataError, UnsupportedTypeError
from evenly.fitting import run
from strategies import arrays, splits


@pytest.fixture(autouse=True)
def _threads():
    """A bag would start processes otherwise."""
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def chunks(length):
    """Lengths that add up to this one, 0 among them."""
    return splits(length).map(lambda parts: tuple(stop - start for start, stop in parts))


def made(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(1.7e9, 2.0, (rows, 3)), columns=["a", "b", "c"])
    frame.loc[frame.index % 7 == 3, "b"] = np.nan
    frame["n"] = pd.array(rng.integers(0, 9, rows), "Int64")
    frame["f"] = rng.normal(size=rows).astype(np.float32)
    frame["w"] = rng.integers(0, 4, rows)
    frame["text"] = "x"
    return frame


def partitioned(frame, *lengths):
    """A Dask frame of partitions of these lengths, whose divisions are not known."""
    edges = np.cumsum([0, *lengths, len(frame) - sum(lengths)])
    parts = [dask.delayed(frame.iloc[a:b]) for a, b in pairwise(edges)]
    return dd.from_delayed(parts, meta=frame.iloc[:0], verify_meta=False)


# ---- Fitting -------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.data(), arrays(min_rows=1))
def test_any_chunks_of_an_array_give_the_same_bits(data, x):
    rows, columns = data.draw(chunks(x.shape[0])), data.draw(chunks(x.shape[1]))
    columns = tuple(filter(None, columns))
    expected = evenly.fit(x)
    moments = evenly.fit(da.from_array(x, chunks=(rows, columns)))
    assert moments == expected
    assert (moments.rows, moments.dtypes) == (expected.rows, expected.dtypes)
    np.testing.assert_array_equal(moments.min, expected.min)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis_may_hold_the_columns_and_be_cut(axis):
    x = np.random.default_rng(3).integers(0, 255, (9, 6, 5), dtype=np.uint8)
    cut = da.from_array(x, chunks=(4, 2, 3))
    assert evenly.fit(cut, feature_axis=axis) == evenly.fit(x, feature_axis=axis)


def test_an_array_of_one_dimension_is_one_column():
    x = np.arange(20.0)
    assert evenly.fit(da.from_array(x, chunks=7)) == evenly.fit(x)


@pytest.mark.parametrize("choice", [{"columns": [4, 0]}, {"exclude": [1, -1]}, {"columns": 2}])
def test_columns_are_chosen_across_chunks_in_the_order_asked_for(choice):
    x = np.random.default_rng(4).normal(size=(30, 6))
    moments = evenly.fit(da.from_array(x, chunks=(7, 2)), **choice)
    assert moments == evenly.fit(x, **choice)
    assert moments.mean.tolist() == evenly.fit(x, **choice).mean.tolist()


def test_chunks_of_unknown_and_of_no_rows_are_fitted():
    x = np.random.default_rng(5).normal(size=(40, 3))
    x[:10] = -1
    cut = da.from_array(x, chunks=(10, 2))
    known = cut[cut[:, 0] != -1]  # of the first chunk nothing is left
    assert np.isnan(known.shape[0])
    assert evenly.fit(known) == evenly.fit(x[10:])


@settings(max_examples=15)
@given(splits(60))
def test_any_partitions_of_a_frame_give_the_same_bits(parts):
    frame = made()
    cut = partitioned(frame, *(stop - start for start, stop in parts[:-1]))
    moments = evenly.fit(cut, weights="w")
    assert moments == evenly.fit(frame, weights="w")
    assert moments.columns == ("a", "b", "c", "n", "f")
    assert moments.rows == 60


@pytest.mark.parametrize(
    "options",
    [{"columns": ["f", "a"]}, {"columns": [1]}, {"exclude": ["w", 0]}, {"columns": "w"}, {}],
)
def test_options_mean_what_they_mean_on_one_machine(options):
    frame = made()
    moments = evenly.fit(dd.from_pandas(frame, npartitions=5), **options)
    assert moments == evenly.fit(frame, **options)
    assert moments.columns == evenly.fit(frame, **options).columns


def test_infinities_may_be_missing():
    frame = made()
    frame.loc[31, "c"] = np.inf
    moments = evenly.fit(dd.from_pandas(frame, npartitions=4), infinite="missing")
    assert moments == evenly.fit(frame, infinite="missing")


def test_of_parquet_only_the_columns_that_are_fitted_are_read(tmp_path):
    frame = made()
    for part in range(3):
        frame[part::3].to_parquet(tmp_path / f"{part}.parquet")
    read = dd.read_parquet(tmp_path)
    assert list(project(read, FitOptions(columns="b", weights="w"))[0].columns) == ["b", "w"]
    assert evenly.fit(read, columns=["b"]) == evenly.fit(frame, columns=["b"])
    assert evenly.fit(read) == evenly.fit(frame)


def test_categories_that_only_the_partitions_know_may_be_numbers(tmp_path):
    """Those of Parquet are not known before it is read."""
    frame = pd.DataFrame({"k": [1, 2, 2, 4], "s": list("abca")}).astype("category")
    frame.to_parquet(tmp_path / "x.parquet")
    read = dd.read_parquet(tmp_path)
    assert not read["k"].cat.known
    assert evenly.fit(read) == evenly.fit(frame)
    assert evenly.fit(read, columns="k") == evenly.fit(frame)
    with pytest.raises(UnsupportedTypeError, match="'s' of partition 0, which is category"):
        evenly.fit(read, columns="s")


def test_columns_may_be_named_by_numbers():
    frame = pd.DataFrame({0: [1.0, 2.0], 1: [3.0, 4.0]})
    assert evenly.fit(dd.from_pandas(frame, npartitions=2), columns=["1"]).columns == ("1",)


def test_a_series_is_one_column():
    series = made()["b"]
    assert evenly.fit(dd.from_pandas(series, npartitions=3)) == evenly.fit(series)


@pytest.mark.parametrize("count", [1, 4, 40])
def test_a_bag_holds_batches(count):
    x = np.random.default_rng(6).normal(size=(40, 2, 3))
    bag = db.from_sequence(list(x), npartitions=count)
    assert evenly.fit(bag) == evenly.fit(x)
    assert evenly.fit(bag.map(lambda batch: (batch, "label")), select=0) == evenly.fit(x)


def test_a_bag_may_hold_frames_and_be_empty_in_places():
    frame = made()
    bag = db.from_sequence([frame.iloc[:9], frame.iloc[9:]], npartitions=2)
    assert evenly.fit(bag) == evenly.fit(frame)
    assert evenly.fit(bag.filter(lambda part: len(part) > 9)) == evenly.fit(frame.iloc[9:])


def test_a_list_of_delayed_is_a_list_of_partitions():
    x = np.random.default_rng(7).normal(size=(90, 3))
    parts = [dask.delayed(x[start::9]) for start in range(9)]
    assert evenly.fit(parts) == evenly.fit(x)
    assert evenly.fit(parts[3]) == evenly.fit(x[3::9])


def test_a_tree_of_several_levels_adds_up():
    x = np.random.default_rng(8).normal(1e6, 1, (600, 2))
    assert evenly.fit(da.from_array(x, chunks=(1, 2))) == evenly.fit(x)


def test_a_task_sums_with_one_thread_unless_it_is_told_otherwise(monkeypatch):
    """The engine runs as many tasks as there are cores."""
    seen = []

    def summed(source, infinite, threads, by):
        seen.append(threads)
        return run.run_fit(source, infinite, threads, by=by)

    monkeypatch.setattr(partition, "run_fit", summed)
    evenly.fit(da.ones((4, 2)))
    evenly.fit(da.ones((4, 2)), threads=3)
    assert seen == [1, 3]


def test_data_that_are_here_are_no_engines():
    for x in ([], [1.0], np.ones(2), pd.DataFrame(), [np.ones(2)], "file.csv", None):
        assert engine_of(x) is None


# ---- Normalising ---------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.data(), arrays(("float32", "float64", "uint8", "bool"), min_rows=1, missing=False))
def test_an_array_is_normalised_chunk_by_chunk_as_on_one_machine(data, x):
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


def test_options_of_normalize_reach_the_chunks():
    x = np.array([[1.0, 5.0], [np.nan, 5.0], [4.0, 5.0]])
    cut = da.from_array(x, chunks=(1, 1))
    moments = evenly.fit(x)
    options = {"missing": "zero", "constant": "center", "correction": 1, "dtype": "float32"}
    y = moments.normalize(cut, **options)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.compute(), moments.normalize(x, **options))
    assert moments.normalize(cut, dtype=ml_dtypes.bfloat16).dtype == ml_dtypes.bfloat16


def test_images_are_normalised_by_their_channels():
    x = np.random.default_rng(9).integers(0, 255, (6, 3, 4, 4), dtype=np.uint8)
    moments = evenly.fit(x, feature_axis=1)
    y = moments.normalize(da.from_array(x, chunks=(4, 2, 3, 4)), feature_axis=1)
    np.testing.assert_array_equal(y.compute(), moments.normalize(x, feature_axis=1))


def test_an_array_of_unknown_rows_is_normalised():
    x = da.from_array(np.arange(12.0).reshape(6, 2), chunks=(2, 1))
    part = x[x[:, 0] > 3]
    y = evenly.fit(part).normalize(part)
    assert np.isnan(y.shape[0])
    assert evenly.fit(y.compute()).mean.tolist() == [0.0, 0.0]


def test_a_frame_is_normalised_lazily_with_its_names_dtypes_and_divisions():
    frame = made()
    cut = dd.from_pandas(frame, npartitions=4)
    moments = evenly.fit(cut, exclude="w")
    y = moments.normalize(cut)
    assert isinstance(y, dd.DataFrame)
    assert y.divisions == cut.divisions
    expected = moments.normalize(cut.compute())
    pd.testing.assert_series_equal(y.dtypes, expected.dtypes)
    pd.testing.assert_frame_equal(y.compute(), expected)
    pd.testing.assert_frame_equal(moments.denormalize(y).compute(), moments.denormalize(expected))


def test_a_series_comes_back_as_a_series():
    cut = dd.from_pandas(made()["a"], npartitions=3)
    y = evenly.fit(cut).normalize(cut)
    assert isinstance(y, dd.Series)
    assert y.name == "a"
    assert evenly.fit(y).std() == pytest.approx(1.0)


def test_bags_and_lists_of_delayed_come_back_as_they_were():
    x = np.random.default_rng(10).normal(5, 2, (12, 2))
    moments = evenly.fit(x)
    bag = moments.normalize(db.from_sequence([x[:5], x[5:]], npartitions=2))
    assert isinstance(bag, db.Bag)
    np.testing.assert_array_equal(np.concatenate(bag.compute()), moments.normalize(x))
    one = moments.normalize(dask.delayed(x))
    np.testing.assert_array_equal(one.compute(), moments.normalize(x))
    parts = moments.normalize([dask.delayed(x[:5]), dask.delayed(x[5:])])
    np.testing.assert_array_equal(np.concatenate(dask.compute(*parts)), moments.normalize(x))


def test_the_numbers_of_a_scaling_are_in_the_graph_once():
    x = da.ones((1000, 50), chunks=(1, 50))
    y = evenly.fit(np.random.default_rng(11).normal(size=(9, 50))).normalize(x)
    (optimised,) = dask.optimize(y)
    held = [task for key, task in dict(optimised.dask).items() if "caling" in str(key)]
    assert len(held) == 1


# ---- What goes wrong -----------------------------------------------------------------------


def test_an_infinity_is_named_by_its_column_row_and_partition():
    frame = made()
    frame.loc[40, "c"] = np.inf
    with pytest.raises(DataError, match="infinity in column 'c', row 4 of partition 2"):
        evenly.fit(partitioned(frame, 18, 18))


def test_an_infinity_in_an_array_is_named_so_that_it_can_be_looked_at():
    x = np.ones((6, 5))
    x[4, 3] = np.inf
    cut = da.from_array(x, chunks=(3, 2))
    place = r"column 1, row 1 of x\.blocks\[1, 1\] \(whose column 0 is column 2 of x\)"
    with pytest.raises(DataError, match=place):
        evenly.fit(cut)
    assert np.isinf(cut.blocks[1, 1][1, 1].compute())
    with pytest.raises(DataError, match=r"column 3, row 4 of x\.blocks\[0, 0\]\. Correct"):
        evenly.fit(da.from_array(x, chunks=(6, 5)), columns=[2, 3])


def test_an_unknown_column_is_named_before_anything_runs():
    def never(part):
        raise AssertionError

    frame = made()
    cut = dd.from_pandas(frame, npartitions=2).map_partitions(never, meta=frame.iloc[:0])
    with pytest.raises(ColumnError, match="Received: 'aa'; the Dask DataFrame has 'a', 'b'"):
        evenly.fit(cut, columns="aa")
    with pytest.raises(ColumnError, match="Missing: 'a'"):
        evenly.fit(frame).normalize(cut.rename(columns={"a": "z"}))


def test_an_arrays_columns_have_no_names():
    with pytest.raises(ColumnError, match=r"only positions from 0 to 1\. Received: 'w', for the D"):
        evenly.fit(da.ones((4, 2)), weights="w")


def test_what_cannot_be_sent_is_refused():
    x = da.ones((4, 2))
    with pytest.raises(UnsupportedTypeError, match="are one of its columns, by name"):
        evenly.fit(x, weights=np.ones(4))
    with pytest.raises(UnsupportedTypeError, match=r"Dask by dask\.diagnostics.ProgressBar"):
        evenly.fit(x, progress=print)
    with pytest.raises(UnsupportedTypeError, match="a new collection comes back"):
        evenly.fit(x).normalize(x, out=np.ones((4, 2)))


def test_the_number_of_columns_must_be_known():
    x = da.ones((4, 4), chunks=2)
    with pytest.raises(DataError, match=r"Call x.compute_chunk_sizes\(\) first"):
        evenly.fit(x[:, x[0] > 0])


def test_no_rows_are_an_error_that_says_of_what():
    with pytest.raises(DataError, match="Received: a Dask DataFrame of 1 partitions, with none"):
        evenly.fit(dd.from_pandas(made().iloc[:0], npartitions=1))


def test_the_wrong_number_of_columns_is_seen_before_anything_runs():
    with pytest.raises(DataError, match=r"as many features as the moments, 3\. Received: 2"):
        evenly.fit(np.ones((2, 3))).normalize(da.ones((4, 2)))


def test_no_collection_is_brought_here_by_the_back_door():
    """Dask's arrays have ``__array__``, which computes all of them."""
    x = da.ones((4, 2))
    with pytest.raises(UnsupportedTypeError, match=r"of type Array\. Pass it to evenly\.fit, and"):
        evenly.Moments.empty().update(x)
    with pytest.raises(UnsupportedTypeError, match="Received: batch 0 of type Array"):
        evenly.fit([x, x])
    with pytest.raises(UnsupportedTypeError, match="Received: batch 0 of type Array"):
        evenly.fit(x for _ in range(2))


def test_a_users_own_exception_comes_through():
    def broken(part):
        raise OSError("no such disk")

    frame = made()
    with pytest.raises(OSError, match="no such disk"):
        evenly.fit(dd.from_pandas(frame, npartitions=2).map_partitions(broken, meta=frame[:0]))


def test_the_guides_session_prints_what_it_says():
    page = Path(__file__).parents[2] / "docs" / "engines" / "dask.md"
    failed, run = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert run > 5
    assert failed == 0


def test_a_delayed_may_be_a_files_name(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    name = dask.delayed(str)(tmp_path / "x.npy")
    assert evenly.fit([name, name]) == evenly.fit(np.ones((6, 2)))
