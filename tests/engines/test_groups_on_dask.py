"""Grouped fits and normalization on Dask."""

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
def test_partitions_do_not_change_groups(frame, by, parts):
    options = {"by": by, "weights": "w", "columns": ["b", "a"]}
    moments = evenly.fit(dd.from_pandas(frame, npartitions=parts), **options)
    expected = evenly.fit(frame, **options)
    assert isinstance(moments, evenly.GroupedMoments)
    assert moments == expected
    assert moments.columns == expected.columns
    assert moments.by == expected.by


def test_group_in_only_one_partition(frame):
    frame.loc[0, "station"] = "only here"
    moments = evenly.fit(dd.from_pandas(frame, npartitions=9), by="station")
    assert moments["only here"].rows == 1
    assert moments == evenly.fit(frame, by="station")


def test_normalize_by_group_is_lazy(frame):
    moments = evenly.fit(frame, by="station", columns=["a", "b"])
    for transform in (moments.normalize, moments.denormalize):
        lazy = transform(dd.from_pandas(frame, npartitions=5))
        assert hasattr(lazy, "dask")
        pd.testing.assert_frame_equal(lazy.compute(), transform(frame), check_dtype=False)


def test_by_must_name_columns(frame):
    collection = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(evenly.UnsupportedTypeError, match=r"by= of type ndarray.*as a column"):
        evenly.fit(collection, by=frame["station"].to_numpy())
    with pytest.raises(evenly.ColumnError, match="'nowhere'; the Dask DataFrame has"):
        evenly.fit(collection, by="nowhere")
    with pytest.raises(evenly.ColumnError, match=r"no names.*x\.blocks"):
        evenly.fit(collection[["a"]].to_dask_array(lengths=True), by="station")
