"""Partial fits, and the merge of partitions whose columns differ."""

import pickle

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.engines.dask_array import concat_columns
from evenly.engines.partition import finalize_partials, fit_partition, merge_partials
from evenly.errors import ColumnError, DataError
from evenly.sources import FitOptions


def fit_and_merge(*parts, **options):
    partials = [
        fit_partition(part, FitOptions(**options), f"partition {index}")
        for index, part in enumerate(parts)
    ]
    return finalize_partials([merge_partials(partials[:2]), *partials[2:]], "the parts")


def frame(**columns):
    return pd.DataFrame(columns)


def test_merged_partials_equal_full_fit():
    x = np.random.default_rng(1).normal(1e9, 1, (50, 3))
    assert fit_and_merge(x[:10], x[10:11], x[11:]) == evenly.fit(x)


def test_empty_partition_has_no_effect():
    """Even when its columns differ from those of the other partitions."""
    x = frame(a=[1.0, 2.0])
    assert fit_and_merge(frame(z=["text"])[:0], x, np.ones((0, 3)), []) == evenly.fit(x)


def test_column_without_values_in_one_partition_is_fitted():
    empty, full = frame(a=[1.0, 2.0], b=[None, None]), frame(a=[3.0], b=[4.0])
    moments = fit_and_merge(empty, full)
    assert moments["b"].count.tolist() == [1]
    assert moments["b"].missing.tolist() == [2]
    assert moments == fit_and_merge(full, empty)


def test_column_without_values_anywhere_is_left_out():
    parts = [frame(a=[1.0], b=[None]), frame(a=[2.0], b=[None])]
    assert fit_and_merge(*parts).columns == evenly.fit(pd.concat(parts)).columns == ("a",)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_text_column_in_one_partition_is_left_out_of_all(order):
    parts = [frame(a=[1.0], b=[None]), frame(a=[2.0], b=["x"]), frame(a=[3.0], b=[5.0])]
    moments = fit_and_merge(*(parts[index] for index in order))
    assert moments == evenly.fit(frame(a=[1.0, 2.0, 3.0]))


@pytest.mark.parametrize("by", [None, "k"])
def test_columns_that_are_all_text_in_some_partition_are_refused(by):
    parts = [frame(k=[1], a=[1.0], b=["x"]), frame(k=[1], a=["x"], b=[1.0])]
    with pytest.raises(DataError, match="At least one numeric column must be left to fit"):
        fit_and_merge(*parts, exclude=[] if by else ["k"], by=by)


def test_merge_error_names_partitions():
    with pytest.raises(ColumnError) as error:
        fit_and_merge(frame(a=[1.0], b=[1.0]), frame(a=[1.0], c=[1.0]))
    assert "Missing: 'b'; unknown: 'c'." in str(error.value)
    assert str(error.value).endswith("This merges partition 0 and partition 1.")


def test_no_rows_error_names_data():
    with pytest.raises(DataError, match=r"At least one row is needed\. Received: the parts, with"):
        fit_and_merge(frame(a=[1.0])[:0], [])


def test_infinity_error_names_column_row_and_partition():
    with pytest.raises(DataError, match="infinity in column 'a', row 1 of partition 1"):
        fit_and_merge(frame(a=[1.0]), frame(a=[1.0, np.inf]))


def test_infinity_error_names_batch_and_partition():
    with pytest.raises(DataError, match=r"row 0 of batch 1\. .*It occurred in partition 1\.$"):
        fit_and_merge([np.ones((2, 2))], [np.ones((2, 2)), np.full((2, 2), np.inf)])


def test_partial_size_does_not_grow_with_rows():
    """Only statistics are sent, not data."""
    few, many = (fit_partition(np.ones((n, 5)), FitOptions(), "p") for n in (2, 100_000))
    assert len(many) < len(few) + 50
    assert pickle.loads(many).moments.rows == 100_000


def test_concat_columns():
    x = np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32)
    parts = [evenly.fit(x[:, :2]), evenly.fit(x[:, 2:])]
    moments = concat_columns(parts)
    assert moments == evenly.fit(x)
    assert moments.rows == 20
    assert moments.max.tolist() == evenly.fit(x).max.tolist()
    assert moments.dtypes == ("float32",) * 5
    assert concat_columns([part - part for part in parts]).extremes_are_bounds
