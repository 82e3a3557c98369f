"""Normalizing subtracts the mean from integers of 64 bits exactly, also beside fractions.

Such a column is read as float64, which rounds integers beyond 2**53: at 2**60 by up to 64.
"""

from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenly

BIG = 2**60
VALUES = [BIG + 1, BIG + 3, Decimal(BIG) + Decimal("2.5"), BIG + 7, None, BIG + 2]


def expected(values):
    """Return the normalized values, from fractions."""
    exact = [None if x is None else as_read(x) for x in values]
    present = [x for x in exact if x is not None]
    mean = sum(present) / len(present)
    variance = sum((x - mean) ** 2 for x in present) / len(present)
    std = float(variance) ** 0.5
    return [np.nan if x is None else float(x - mean) / std if std else 0.0 for x in exact]


def as_read(value):
    """Return a number as `evenly.fit` reads it: a fraction as the nearest float64."""
    exact = Fraction(value)
    is_exact = exact.denominator == 1 and -(2**63) <= exact < 2**64
    return exact if is_exact else Fraction(float(value))


def objects(values):
    return pd.Series(values, dtype=object, name="x")


def decimals(values):
    return pa.array([x if x is None else Decimal(x) for x in values], pa.decimal128(38, 2))


def table(*parts):
    return pa.table({"x": pa.chunked_array([decimals(part) for part in parts])})


CONTAINERS = {
    "pandas": lambda: objects(VALUES).to_frame(),
    "pandas categories": lambda: objects(VALUES).astype("category").to_frame(),
    "series": lambda: objects(VALUES),
    "dict of objects": lambda: {"x": np.array(VALUES, object)},
    "dict of a list": lambda: {"x": VALUES},
    "dict of chunks": lambda: {"x": table(VALUES[:2], VALUES[2:])["x"]},
    "Arrow": lambda: table(VALUES),
    "Arrow in chunks": lambda: table(VALUES[:2], VALUES[2:]),
    "Arrow dictionary": lambda: pa.table({"x": decimals(VALUES).dictionary_encode()}),
    "polars": lambda: pl.from_arrow(table(VALUES)),
    "lazy polars": lambda: pl.from_arrow(table(VALUES)).lazy(),
    "DuckDB": lambda: duckdb.from_arrow(table(VALUES)),
}


def values_of(result):
    """Return the normalized column of any container as float64."""
    result = result.collect() if isinstance(result, pl.LazyFrame) else result
    if isinstance(result, duckdb.DuckDBPyRelation):
        result = result.to_arrow_table()
    column = result if isinstance(result, pd.Series) else result["x"]
    column = column.to_pandas() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(column, np.float64)


@pytest.mark.parametrize("container", CONTAINERS)
def test_integers_beside_fractions(container):
    data = CONTAINERS[container]()
    result = values_of(evenly.fit(data).normalize(data))
    np.testing.assert_allclose(result, expected(VALUES), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("container", ["pandas", "dict of objects", "Arrow", "polars"])
def test_integers_beside_fractions_by_group(container):
    data = CONTAINERS[container]()
    keys = [1, 1, 1, 1, 2, 2]
    result = values_of(evenly.fit(data, by=keys).normalize(data, by=keys))
    wanted = expected(VALUES[:4]) + expected(VALUES[4:])
    np.testing.assert_allclose(result, wanted, rtol=1e-15, atol=1e-15)


@given(
    st.lists(
        st.one_of(
            st.integers(-50, 50).map(lambda n: 2**62 + n),
            st.integers(-50, 50).map(lambda n: 2**64 - 60 + n),
            st.integers(-50, 50).map(lambda n: -(2**63) + 60 + n),
            st.integers(-50, 50).map(lambda n: 2**62 + Decimal(n) / 4),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_frames_agree_with_fractions(values):
    frame = objects(values).to_frame()
    result = evenly.fit(frame).normalize(frame, dtype="float64")["x"]
    np.testing.assert_allclose(result, expected(values), rtol=1e-14, atol=1e-14)


def test_the_bits_are_those_of_a_column_of_integers():
    mixed, whole = objects([BIG + 1, 0.5, 2**64 - 1]), np.array([BIG + 1, 2**64 - 1], np.uint64)
    moments = evenly.fit(mixed)
    alone = moments.normalize(pd.DataFrame({"x": whole}))["x"]
    assert moments.normalize(mixed)[[0, 2]].tolist() == alone.tolist()


def test_options_hold_for_integers_beside_fractions():
    frame = objects(VALUES).to_frame()
    moments = evenly.fit(frame)
    result = moments.normalize(frame, dtype="float32", missing="zero", clip=1.0)["x"]
    wanted = np.clip(np.nan_to_num(np.array(expected(VALUES))), -1, 1).astype(np.float32)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, wanted, rtol=1e-6)


def test_chunks_of_a_dict_are_fitted_exactly():
    whole = evenly.fit(objects(VALUES))
    assert evenly.fit({"x": table(VALUES[:2], VALUES[2:])["x"]}) == whole
    chunks = pa.chunked_array(
        [pa.array([BIG + 1], pa.decimal128(38, 0)), pa.array([2**70], pa.decimal128(38, 0))]
    )
    moments = evenly.fit({"x": chunks})
    assert moments.sum == [BIG + 1 + 2**70]


@pytest.mark.parametrize("dtype", ["hugeint", "uhugeint", "decimal(38, 2)", "decimal(38, 19)"])
def test_relations_of_duckdb_are_as_exact_as_tables(dtype):
    rows = ", ".join(f"({BIG + n}::{dtype})" for n in (1, 3, 2, 8))
    relation = duckdb.sql(f"select * from (values {rows}, (null)) as t(x)")
    moments = evenly.fit(relation)
    expected = moments.normalize(relation.to_arrow_table())
    assert moments.normalize(relation).fetchall() == [(x,) for x in expected["x"].to_pylist()]
    assert expected["x"].to_pylist()[0] == pytest.approx(-0.9284766908852593)


def test_integers_of_duckdb_beyond_64_bits_are_rounded_as_they_are_fitted():
    relation = duckdb.sql("select * from (values (2::hugeint ** 100), (1), (-5)) as t(x)")
    relation = relation.project("x::hugeint as x")
    moments = evenly.fit(relation)
    expected = moments.normalize(relation.to_arrow_table())["x"].to_pylist()
    assert moments.normalize(relation).fetchall() == [(x,) for x in expected]


@pytest.mark.parametrize(
    ("values", "integer"),
    [([BIG + 1, 0.5], BIG + 1), ([[BIG + 1, 1], [2, 0.5]], BIG + 1), ([2**63 + 1, -1], 2**63 + 1)],
)
def test_a_list_that_numpy_rounds_is_refused(values, integer):
    with pytest.raises(evenly.DataError) as refused:
        evenly.fit(values)
    assert str(refused.value) == (
        "NumPy makes float64 of a list with integers beyond 2**53 and other numbers, which rounds "
        f"them. Received: {integer} in the array. Pass a dict of columns, such as {{'x': [...]}}, "
        "which are exact; or floats."
    )
    moments = evenly.fit([[1.0, 2.0], [3.0, 4.0]] if np.ndim(values) == 2 else [1.0, 3.0])
    with pytest.raises(evenly.DataError, match="NumPy makes float64 of a list"):
        moments.normalize(values)


def test_lists_of_floats_and_of_integers_alone_are_arrays():
    assert evenly.fit([2.0**60, 0.5]).sum == [2**60 + Fraction(1, 2)]
    assert evenly.fit([BIG + 1, BIG + 3]).sum == [2 * BIG + 4]
    assert evenly.fit([2**53, 0.5, float("nan")]).sum == [2**53 + Fraction(1, 2)]


def test_lists_of_a_dict_are_exact():
    moments = evenly.fit({"x": [BIG + 1, 0.5], "y": [2**63 + 1, -1]})
    assert moments.sum == [BIG + Fraction(3, 2), 2**63]
