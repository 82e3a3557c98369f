"""Shares: what partitions say of columns that they do not all agree on."""

import pickle

import numpy as np
import pandas as pd
import pytest

import evenly
from evenly.engines.beside import concat_columns
from evenly.engines.partition import FitOptions, finalize_partials, fit_partition, merge_partials
from evenly.errors import ColumnError, DataError


def merged(*parts, **options):
    shares = [
        fit_partition(part, FitOptions(**options), f"partition {place}")
        for place, part in enumerate(parts)
    ]
    return finalize_partials([merge_partials(shares[:2]), *shares[2:]], "the parts")


def frame(**columns):
    return pd.DataFrame(columns)


def test_shares_add_up_to_the_whole():
    x = np.random.default_rng(1).normal(1e9, 1, (50, 3))
    assert merged(x[:10], x[10:11], x[11:]) == evenly.fit(x)


def test_a_partition_of_no_rows_has_no_say():
    """Its dtypes are whatever made it: here no column is one of the others'."""
    x = frame(a=[1.0, 2.0])
    assert merged(frame(z=["text"])[:0], x, np.ones((0, 3)), []) == evenly.fit(x)


def test_a_column_without_values_in_one_partition_is_fitted_where_it_has_some():
    empty, full = frame(a=[1.0, 2.0], b=[None, None]), frame(a=[3.0], b=[4.0])
    moments = merged(empty, full)
    assert moments["b"].count.tolist() == [1]
    assert moments["b"].missing.tolist() == [2]
    assert moments == merged(full, empty)


def test_a_column_without_values_anywhere_is_left_out_as_on_one_machine():
    parts = [frame(a=[1.0], b=[None]), frame(a=[2.0], b=[None])]
    assert merged(*parts).columns == evenly.fit(pd.concat(parts)).columns == ("a",)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_column_of_text_in_one_partition_is_left_out_of_all(order):
    parts = [frame(a=[1.0], b=[None]), frame(a=[2.0], b=["x"]), frame(a=[3.0], b=[5.0])]
    moments = merged(*(parts[place] for place in order))
    assert moments == evenly.fit(frame(a=[1.0, 2.0, 3.0]))


def test_partitions_of_other_columns_are_named():
    with pytest.raises(ColumnError) as error:
        merged(frame(a=[1.0], b=[1.0]), frame(a=[1.0], c=[1.0]))
    assert "Missing: 'b'; unknown: 'c'." in str(error.value)
    assert str(error.value).endswith("They are those of partition 0 and of partition 1.")


def test_no_rows_at_all_are_an_error_that_says_of_what():
    with pytest.raises(DataError, match=r"At least one row is needed\. Received: the parts, with"):
        merged(frame(a=[1.0])[:0], [])


def test_an_infinity_is_named_by_column_row_and_partition():
    with pytest.raises(DataError, match="infinity in column 'a', row 1 of partition 1"):
        merged(frame(a=[1.0]), frame(a=[1.0, np.inf]))


def test_an_infinity_in_a_batch_of_a_partition_is_named_by_both():
    with pytest.raises(DataError, match=r"row 0 of batch 1\. .*It was in partition 1\.$"):
        merged([np.ones((2, 2))], [np.ones((2, 2)), np.full((2, 2), np.inf)])


def test_a_share_is_a_pickle_of_plain_numbers():
    """No data: what is sent does not grow with the rows."""
    few, many = (fit_partition(np.ones((n, 5)), FitOptions(), "p") for n in (2, 100_000))
    assert len(many) < len(few) + 50
    assert pickle.loads(many).moments.rows == 100_000


def test_columns_that_lie_apart_are_put_beside_each_other():
    x = np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32)
    parts = [evenly.fit(x[:, :2]), evenly.fit(x[:, 2:])]
    together = concat_columns(parts)
    assert together == evenly.fit(x)
    assert together.rows == 20
    assert together.max.tolist() == evenly.fit(x).max.tolist()
    assert together.dtypes == ("float32",) * 5
    assert concat_columns([part - part for part in parts]).extremes_are_bounds
