"""Groups of rows on Dask: the bits of one machine, and each row by its own group."""

import numpy as np
import pandas as pd
import pytest

import evenly

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")


@pytest.fixture
def frame():
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "a": rng.normal(1e9, 1, 500),
            "b": rng.integers(0, 9, 500),
            "w": rng.integers(0, 3, 500),
            "station": rng.choice(["x", "y", "z"], 500),
            "year": rng.integers(2012, 2015, 500),
        }
    )


@pytest.mark.parametrize("by", ["station", ["year", "station"]])
@pytest.mark.parametrize("parts", [1, 7, 40])
def test_any_partitions_give_the_same_groups(frame, by, parts):
    options = {"by": by, "weights": "w", "columns": ["b", "a"]}
    moments = evenly.fit(dd.from_pandas(frame, npartitions=parts), **options)
    expected = evenly.fit(frame, **options)
    assert isinstance(moments, evenly.GroupedMoments)
    assert moments == expected
    assert moments.columns == expected.columns
    assert moments.by == expected.by


def test_a_group_that_one_partition_alone_has_is_there(frame):
    frame.loc[0, "station"] = "only here"
    moments = evenly.fit(dd.from_pandas(frame, npartitions=9), by="station")
    assert moments["only here"].rows == 1
    assert moments == evenly.fit(frame, by="station")


def test_each_row_is_normalised_by_its_own_group_lazily(frame):
    moments = evenly.fit(frame, by="station", columns=["a", "b"])
    for work in (moments.normalize, moments.denormalize):
        lazy = work(dd.from_pandas(frame, npartitions=5))
        assert hasattr(lazy, "dask")
        pd.testing.assert_frame_equal(lazy.compute(), work(frame), check_dtype=False)


def test_keys_that_are_no_column_are_refused(frame):
    collection = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(evenly.UnsupportedTypeError, match=r"by= of type ndarray.*as a column"):
        evenly.fit(collection, by=frame["station"].to_numpy())
    with pytest.raises(evenly.ColumnError, match="'nowhere'; the Dask DataFrame has"):
        evenly.fit(collection, by="nowhere")
    with pytest.raises(evenly.ColumnError, match=r"no names.*x\.blocks"):
        evenly.fit(collection[["a"]].to_dask_array(lengths=True), by="station")
